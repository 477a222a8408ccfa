"""What every model computes with a fixed seed, to compare two versions of the package.

Models of screens predict a perturbation and a combination, after three epochs on 240 simulated cells of two cell types
and two batches; the others give their latent representation. The numbers are written to a file, and compared with those
that another version wrote::

    python benchmarks/same_predictions.py before.npz                          # in a checkout of one version
    python benchmarks/same_predictions.py after.npz --against before.npz      # in that of another
"""

from __future__ import annotations

import argparse

import anndata as ad
import numpy as np
import scanpy as sc
from _quiet import one_quiet_thread

import scpi

SCREEN = {"perturbation_key": "perturbation", "control": "control"}
OTHERS = ("ContrastiveSC", "SCDeepCluster", "SCZIDesk", "GeneProgramAE")
SETTINGS = {
    **{name: [{}] for name in ("Additive", "Linear", "LinearDose", "LogRatioDelta", "MeanDelta", "NearestDelta")},
    **{
        name: [{}]
        for name in ("NoChange", "RidgeDelta", "TrainMean", "WeightedDelta", "SCButterfly", "SCGEN", "SCVIDR")
    },
    "PCAShift": [{"n_components": 4}],
    "MultiTaskAE": [{}, {"likelihood": "nb"}, {"preset": "published-vae-ot"}, {"preset": "published-adversarial"}],
    "SCPREGAN": [{}],
    "SENAVAE": [{}, {"likelihood": "nb"}, {"encoder": "mlp", "mechanism": "relu"}, {"preset": "zhang"}],
    **{name: [{}] for name in OTHERS},
}


def simulated() -> ad.AnnData:
    rng = np.random.default_rng(0)
    labels = np.repeat(["control", "A", "B", "A+B", "C", "C+B"], 40)
    adata = ad.AnnData(rng.poisson(2.0, (240, 60)).astype(np.float32))
    adata.obs_names, adata.var_names = [f"cell{i}" for i in range(240)], [f"gene{i}" for i in range(60)]
    adata.obs["perturbation"], adata.obs["cell_type"] = labels, np.tile(["T", "B"], 120)
    adata.obs["batch"] = np.tile(["x", "x", "y", "y"], 60)
    for member, genes in (("A", slice(0, 12)), ("B", slice(6, 18)), ("C", slice(20, 30))):
        rows = np.array([member in label.split("+") for label in labels])
        adata.X[rows, genes] += rng.poisson(3.0, adata.X[rows, genes].shape)
    adata.layers["counts"] = adata.X.copy()
    adata.varm["gene_sets"] = np.eye(6, dtype=bool).repeat(10, axis=0)
    adata.uns["gene_sets"] = [f"set{i}" for i in range(6)]
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def result_of(name: str, settings: dict[str, object]) -> np.ndarray:
    """Predicted expression, or the latent representation of a model that predicts nothing."""
    adata, model_type = simulated(), getattr(scpi.model, name)
    predicts = name not in OTHERS
    reads_counts = not predicts or settings.get("likelihood") == "nb"
    columns = SCREEN | ({} if name == "SENAVAE" else {"context_key": "cell_type"}) if predicts else {}
    if name in {"SENAVAE", "GeneProgramAE"}:
        columns |= {"gene_sets_key": "gene_sets", "batch_key": "batch"}
    model_type.setup_anndata(adata, layer="counts" if reads_counts else None, **columns)
    model = model_type(adata, **settings)
    trains = model_type.__module__.split(".")[2] != "baselines"
    model.train(**({"max_epochs": 3, "accelerator": "cpu", "enable_progress_bar": False} if trains else {}))
    if not predicts:
        return np.asarray(model.get_latent_representation())
    return np.asarray(model.predict(perturbation=["A", "A+B"], n_cells=20).X)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--against")
    args = parser.parse_args()
    one_quiet_thread()
    cases = [(name, one) for name, several in SETTINGS.items() for one in several]
    found = {f"{name} {one or ''}".strip(): result_of(name, one) for name, one in cases}
    np.savez(args.out, **found)
    if args.against:
        before = np.load(args.against)
        assert set(before) == set(found)
        for name, values in found.items():
            print(f"{np.abs(values - before[name]).max():.1e} of {np.abs(values).max():.1f}  {name}")


if __name__ == "__main__":
    main()
