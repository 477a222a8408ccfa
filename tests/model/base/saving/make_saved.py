"""Small models that one stack saves, for all others to open.

``python tests/model/base/saving/make_saved.py NAME`` writes those of this stack to ``saved/NAME``, with the numbers that
they predict. Do it again where the format changes, and with a new stack; keep those of the old ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anndata as ad
import numpy as np
from scipy import sparse

import scpi

FOLDER = Path(__file__).parent / "saved"
OPTIONS = {
    "SENAVAE": {"n_factors": 2},
    "GeneProgramAE": {"n_units": 3},
    "MeanDelta": {},
}


def cells() -> ad.AnnData:
    """Counts of a screen in two batches, with names that are not ASCII, and gene sets."""
    rng = np.random.default_rng(0)
    adata = ad.AnnData(sparse.csr_matrix(rng.poisson(3.0, (60, 12)).astype(np.float32)))
    adata.var_names = [f"gène {i}" for i in range(12)]
    adata.obs_names = [f"cell {i}" for i in range(60)]
    adata.obs["perturbation"] = np.tile(["control", "control", "α", "β", "α+β"], 12)
    adata.obs["batch"] = np.repeat(["1", "2"], 30)
    adata.varm["gene_sets"] = np.arange(12)[:, None] // 6 == np.arange(2)
    adata.uns["gene_sets"] = np.array(["first", "second"], dtype=object)
    return adata


def numbers(model: scpi.model.base.ModelBase) -> np.ndarray:
    """What a model predicts of its own cells, or their units."""
    if hasattr(model, "predict"):
        return np.asarray(model.predict(perturbation="α+β", n_cells=2, rng=0, output="mean").X)
    return np.asarray(model.get_latent_representation(indices=[0, 1]))


def built(name: str) -> scpi.model.base.ModelBase:
    """A model trained on the cells."""
    adata = cells()
    if name == "MeanDelta":
        adata.X = adata.X.log1p()
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata, batch_key="batch")
    options = {"likelihood": "nb"} if name == "SENAVAE" else {}
    model = cls(adata, **OPTIONS[name], **options)
    model.train(**({} if name == "MeanDelta" else {"max_epochs": 1, "accelerator": "cpu"}))
    return model


def main() -> None:
    for name in OPTIONS:
        folder = FOLDER / sys.argv[1] / name
        model = built(name)
        model.save(folder, overwrite=True)
        (folder / "expected.json").write_text(json.dumps(numbers(model).tolist()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
