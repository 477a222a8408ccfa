"""Groups of cells that the Deep Generative Decoder finds without labels, beside Leiden on latent units of SCVI.

Models are trained on four fifths of the cells, in the 2,000 genes with the most counts, with their defaults and 20 latent
dimensions each. The components of the decoder, whose number it finds, are compared with the known labels by the adjusted
Rand index, and so are Leiden communities of the neighbours in either latent space at resolution 1. The other cells are
set aside. An interrupted run resumes. Leiden needs igraph::

    SCPI_TEST_DATA=... python benchmarks/dgd_components.py --out benchmarks/results/dgd_components
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
import scvi
from _quiet import one_quiet_thread
from _results import Tasks, store
from sklearn.metrics import adjusted_rand_score

import scpi

LABELS = {"mixology_sc_celseq2_5cl": "cell_line_demuxlet", "pbmc3k_labelled": "cell_type"}
MODELS = {
    "DGD": (scpi.model.DGD, {}),
    "DGD, published": (scpi.model.DGD, {"preset": "published"}),
    "SCVI": (scvi.model.SCVI, {"gene_likelihood": "nb", "n_latent": 20}),
}


def leiden(z: np.ndarray, labels: np.ndarray) -> dict:
    adata = ad.AnnData(z)
    sc.pp.neighbors(adata, use_rep="X", random_state=0)
    sc.tl.leiden(adata, flavor="igraph", n_iterations=2, random_state=0)
    found = adata.obs["leiden"]
    return {"n_leiden": int(found.nunique()), "ari_leiden": adjusted_rand_score(labels, found)}


def run(dataset: str, name: str, seed: int) -> dict:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{dataset}.h5ad")
    genes = np.sort(np.argsort(-np.asarray(adata.X.sum(0)).ravel(), kind="stable")[:2000])
    labels = adata.obs[LABELS[dataset]].astype(str).to_numpy()
    adata = ad.AnnData(adata.X[:, genes].astype(np.float32), obs=adata.obs[[]], var=adata.var.iloc[genes][[]])
    order = np.random.default_rng(seed).permutation(adata.n_obs)
    cells, (cls, options) = adata[order[: int(0.8 * adata.n_obs)]].copy(), MODELS[name]
    scvi.settings.seed, start = seed, time.perf_counter()
    cls.setup_anndata(cells)
    labels = labels[order[: cells.n_obs]]
    known = {"n_components": len(set(labels))} if "published" in name else {}
    model = cls(cells, **options | known)
    model.train(enable_progress_bar=False, accelerator="cpu")
    found = {"dataset": dataset, "model": name, "seed": seed, "seconds": round(time.perf_counter() - start, 1)}
    found |= {"n_labels": len(set(labels))} | leiden(model.get_latent_representation(), labels)
    if cls is scpi.model.DGD:
        component = model.get_component_assignments().idxmax(axis=1)
        found |= {"n_components": int(component.nunique()), "ari": adjusted_rand_score(labels, component)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 5))
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    args = parser.parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    for seed, dataset, name in ((s, d, m) for s in range(*args.seeds) for d in LABELS for m in args.models):
        task = f"{dataset}, {name}, {seed}"
        if task not in tasks:
            tasks.add(task, run(dataset, name, seed))
        print(tasks[task], flush=True)
    store(args.out, {"rows": list(tasks.values())})


if __name__ == "__main__":
    main()
