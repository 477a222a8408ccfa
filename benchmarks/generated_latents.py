"""Where the latent units of generated cells should come from: energy distance to cells that were not trained on.

Blood cells with and without interferon beta (kang_harmony), the 600 genes with the most counts, an NB-VAE that is
conditioned on cell type and condition, trained for 100 epochs. A third of the cells is held out, and all treated cells of one cell type. Cells are
generated for each group in the number of its held-out cells, with latent units of the prior or of training cells that share
different covariates, and compared with the held-out cells in 20 principal components of the logarithms. Halves of the
held-out cells are the floor::

    SCPI_TEST_DATA=... python benchmarks/generated_latents.py --out benchmarks/results/generated_latents.json
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import store
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

import scpi
from scpi._screen._expression import log_normalised

KEYS = ["cell_type", "condition"]
HELD_OUT = ("CD14+ Monocytes", "CD4 T cells", "B cells")
WAYS = {
    "prior": {"latent": "prior"},
    "default": {},
    "any cell": {"match": []},
    "same cell type": {"match": "cell_type"},
    "same condition": {"match": "condition"},
}


def energy(x: np.ndarray, y: np.ndarray) -> float:
    return float(2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean())


def run(held_out: str, seed: int) -> list[dict]:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / "kang_harmony.h5ad")
    obs = pd.DataFrame(
        {"cell_type": adata.obs["cell_type_pred"].astype(str), "condition": adata.obs["condition"].astype(str)}
    )
    adata = ad.AnnData(adata.X.astype(np.float32), obs=obs, var=adata.var[[]])
    adata = adata[obs.groupby("cell_type")["cell_type"].transform("size") > 60]
    adata = adata[:, np.sort(np.argsort(-np.asarray(adata.X.sum(0)).ravel(), kind="stable")[:600])].copy()
    rng = np.random.default_rng(seed)
    group = adata.obs[KEYS].agg(" | ".join, axis=1)
    unseen = f"{held_out} | stim"
    test = (rng.random(adata.n_obs) < 1 / 3) | (group == unseen).to_numpy()
    train = adata[~test].copy()
    pca = PCA(20, random_state=0).fit(np.asarray(log_normalised(train.X).todense()))
    scpi.model.NBVAE.setup_anndata(train, categorical_covariate_keys=KEYS)
    model = scpi.model.NBVAE(train, seed=seed)
    model.train(max_epochs=100, enable_progress_bar=False, accelerator="cpu")
    rows = []
    for name in sorted(group.unique()):
        own = np.flatnonzero(test & (group == name).to_numpy())
        real = pca.transform(np.asarray(log_normalised(adata.X[own]).todense()))
        plan = pd.DataFrame([dict(zip(KEYS, name.split(" | "), strict=True), n_cells=len(own))])
        row = {"group": name, "kind": "unseen" if name == unseen else "seen", "seed": seed, "n": len(own)}
        for way, options in WAYS.items():
            made = model.generate(plan, rng=seed, **options)
            row[way] = energy(real, pca.transform(np.asarray(log_normalised(made.X).todense())))
        half = rng.permutation(len(own))
        rows.append(row | {"halves": energy(real[half[::2]], real[half[1::2]])})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 3))
    args = parser.parse_args()
    one_quiet_thread()
    rows = pd.DataFrame([row for seed in range(*args.seeds) for name in HELD_OUT for row in run(name, seed)])
    means = rows.groupby("kind")[[*WAYS, "halves"]].agg(["mean", "sem"]).round(3)
    print(means.T.to_string())
    store(args.out, {"rows": rows.round(4).to_dict("records")})


if __name__ == "__main__":
    main()
