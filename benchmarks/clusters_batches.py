"""Clusters of cells that were measured in batches, with and without the batch of each cell.

Splat cells of three groups in two batches whose factors have a log standard deviation of 0.3; with 9:1, nine tenths of the first group are in the first batch,
and nine tenths of the others in the second. Plates of five cell lines and patients of a drug screen are real. Every seed draws other cells::

    python benchmarks/clusters_batches.py --data FOLDER --out benchmarks/results/clusters_batches
"""

import argparse
import warnings
from itertools import product
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
import torch
from _results import Tasks, store
from clusters_real import interval
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

import scpi

REAL = {
    "cell lines on three plates": ("mixology_sc_celseq2_5cl", "cell_line_demuxlet", "batch"),
    "treatment in five patients": ("gbm_panobinostat_zhao2021_300genes", "condition", "patient_id"),
}
CELLS = ("simulated, 1:1", "simulated, 9:1", *REAL)
INPUTS, N_SEEDS, N_CELLS, N_GENES = ("without", "with"), 5, 900, 1000


def simulated(confounded: float, seed: int) -> ad.AnnData:
    adata = scpi.datasets.splat(
        2 * N_CELLS, n_genes=500, group_prob=(0.5, 0.3, 0.2), de_prob=0.2, batch_prob=(0.5, 0.5), batch_fac_scale=0.3, rng=seed
    )  # fmt: skip
    together = (adata.obs["group"] == "Group1").to_numpy() == (adata.obs["batch"] == "Batch1").to_numpy()
    weight = np.where(together, confounded, 1 - confounded)
    drawn = np.random.default_rng(seed).choice(adata.n_obs, N_CELLS, replace=False, p=weight / weight.sum())
    return adata[drawn].copy()


def real(path: Path, label: str, batch: str, seed: int) -> ad.AnnData:
    adata = ad.read_h5ad(path)
    if "demuxlet_cls" in adata.obs:
        adata = adata[adata.obs["demuxlet_cls"] == "SNG"]
    drawn = np.random.default_rng(seed).permutation(adata.n_obs)[: min(N_CELLS, int(0.9 * adata.n_obs))]
    obs = adata.obs.iloc[drawn][[label, batch]].astype(str).set_axis(["group", "batch"], axis=1)
    adata = ad.AnnData(sparse.csr_matrix(adata.X[drawn], dtype=np.float32), obs=obs, var=adata.var[[]])
    sc.pp.filter_genes(adata, min_cells=3)
    logs = sc.pp.log1p(sc.pp.normalize_total(adata, copy=True), copy=True)
    sc.pp.highly_variable_genes(logs, n_top_genes=min(N_GENES, adata.n_vars))
    return adata[:, logs.var["highly_variable"].to_numpy()].copy()


def measure(adata: ad.AnnData, given: str, seed: int) -> dict:
    options = {"batch_key": "batch"} if given == "with" else {}
    number = adata.obs["group"].nunique()
    scpi.tl.cluster(adata, n_clusters=number, rng=seed, train_kwargs={"accelerator": "cpu"}, **options)
    pairs = {"group": ("group", "cluster"), "of batch": ("batch", "cluster"), "group and batch": ("group", "batch")}
    return {name: adjusted_rand_score(*(adata.obs[column] for column in pair)) for name, pair in pairs.items()}


def collect(tasks: Tasks) -> list[dict]:
    found = []
    for cells, given in product(CELLS, INPUTS):
        of = [tasks[name] for name in tasks if name.startswith(f"{cells}/{given}/")]
        if of:
            found.append({"cells": cells, "batch": given, "n": len(of)} | {key: interval([one[key] for one in of]) for key in of[0]})  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    scpi.settings.verbosity = "warning"
    torch.set_num_threads(1)
    tasks = Tasks(args.out)
    for cells, seed, given in product(CELLS, range(N_SEEDS), INPUTS):
        if (name := f"{cells}/{given}/{seed}") not in tasks:
            adata = simulated(0.9 if "9:1" in cells else 0.5, seed) if cells not in REAL else real(args.data / f"{REAL[cells][0]}.h5ad", *REAL[cells][1:], seed)  # fmt: skip
            tasks.add(name, measure(adata, given, seed))
    store(args.out, collect(tasks))


if __name__ == "__main__":
    main()
