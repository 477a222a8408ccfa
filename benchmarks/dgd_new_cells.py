"""Loss of cells that the Deep Generative Decoder was not trained on, beside that of cells that it was trained on.

The loss per count depends on the depth of a cell, and a random fifth of few cells may be a tenth deeper than the rest. The
comparison is therefore between the same cells: they are divided into five folds, a model is trained on all but one of them
in turn, and each cell is a new one once and a training cell four times. All have the 2,000 genes with the most counts and
default settings. "Represented again" is the loss of training cells whose representations are found as those of new cells
are: what lies between it and that of new cells is over-fitting of the decoder, and not of the search. An
interrupted run resumes::

    SCPI_TEST_DATA=... python benchmarks/dgd_new_cells.py --out benchmarks/results/dgd_new_cells
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import anndata as ad
import numpy as np
import scvi
from _quiet import one_quiet_thread
from _results import Tasks, store

import scpi

DATASETS = ("mixology_sc_celseq2_5cl", "pbmc3k_labelled", "kang_harmony", "paul15")
# Regularisation was looked at on these
OF_SETTINGS = {"paul15"}
N_FOLDS, N_GENES = 5, 2_000


def read(name: str) -> ad.AnnData:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{name}.h5ad")
    genes = np.sort(np.argsort(-np.asarray(adata.X.sum(0)).ravel(), kind="stable")[:N_GENES])
    x = adata.X[:, genes].astype(np.float32)
    x = x[np.asarray(x.sum(1)).ravel() > 0]
    return ad.AnnData(x)


def run(dataset: str, seed: int) -> dict:
    adata, start = read(dataset), time.perf_counter()
    folds = np.random.default_rng(seed).permutation(adata.n_obs) % N_FOLDS
    losses = {name: np.zeros(adata.n_obs) for name in ("training", "represented again", "new")}
    n_trained = np.zeros(adata.n_obs)
    for fold in range(N_FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        cells, new = adata[inside].copy(), adata[outside].copy()
        scvi.settings.seed = seed * N_FOLDS + fold
        scpi.model.DGD.setup_anndata(cells)
        model = scpi.model.DGD(cells)
        model.train(enable_progress_bar=False, accelerator="cpu")
        trained = inside[model.train_indices]
        again = adata[trained].copy()
        again.obs_names = "again " + again.obs_names
        losses["training"][trained] += model.get_cell_loss(indices=model.train_indices)
        losses["represented again"][trained] += model.get_cell_loss(again)
        losses["new"][outside] = model.get_cell_loss(new)
        n_trained[trained] += 1
    used = n_trained > 0
    for name in ("training", "represented again"):
        losses[name][used] /= n_trained[used]
    total = float(adata.X[used].sum())
    found = {name: float(values[used].sum()) / total for name, values in losses.items()}
    row = {"dataset": dataset, "seed": seed, "cells": adata.n_obs, "seconds": round(time.perf_counter() - start)}
    return row | found | {"gap": found["new"] / found["training"] - 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 2))
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS))
    args = parser.parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    for seed in range(*args.seeds):
        for dataset in args.datasets:
            task = f"{dataset}, {seed}"
            if task not in tasks:
                tasks.add(task, run(dataset, seed))
            print(tasks[task], flush=True)
    rows = [row | {"of_settings": row["dataset"] in OF_SETTINGS} for row in tasks.values()]
    store(args.out, {"rows": rows})


if __name__ == "__main__":
    main()
