"""Training on cells that stay in an h5ad file, or are loaded (``--memory``): cells per second, and memory in MB.

200,000 cells x 5,000 genes, 7 % of the counts above 0; 256 batches of 128 cells of an epoch of NBVAE, or of another
``--model`` of counts, one thread, a line of JSON. Models of perturbations read 20 of them and a control. What a
model takes from the cells before its first epoch counts to its time.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from scipy import sparse

import scpi

N_CELLS, N_GENES, N_ROWS, N_BATCHES = 200_000, 5_000, 20_000, 256
# Of models that read logarithms or have batches of another kind: arguments of the constructor and of the training
COUNTS, BATCHES = {"likelihood": "nb"}, {"batch_size": 128}
SETTINGS = {
    "SENAVAE": (COUNTS | {"encoder": "mlp", "n_factors": 20}, {"n_cells": 32, "n_conditions": 4}),
    "MultiTaskAE": (COUNTS, BATCHES),
}


def make(path: Path) -> None:
    """Write cells: the same over and over, each time in another order."""
    rng = np.random.default_rng(0)
    x = sparse.csr_matrix(rng.poisson(rng.gamma(0.3, 0.35, N_GENES), (N_ROWS, N_GENES)).astype(np.float32))
    obs = pd.DataFrame(index=np.arange(N_CELLS).astype(str))
    with h5py.File(path, "w") as file:
        ad.io.write_elem(file, "/", ad.AnnData(obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])))
        ad.io.write_elem(file, "X", x)
        for _ in range(N_CELLS // N_ROWS - 1):
            ad.io.sparse_dataset(file["X"]).append(x[rng.permutation(N_ROWS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--model", default="NBVAE")
    args = parser.parse_args()
    one_quiet_thread()
    if not args.file.exists():
        make(args.file)
    adata = ad.read_h5ad(args.file, backed=None if args.memory else "r")
    # Labels as in a pooled screen: cells of a perturbation stand anywhere in the file
    labels = np.array(["control", *(f"p{i}" for i in range(20))])
    adata.obs["perturbation"] = pd.Categorical(labels[np.random.default_rng(1).integers(0, 21, adata.n_obs)])
    cls = getattr(scpi.model, args.model)
    cls.setup_anndata(adata)
    settings, batches = SETTINGS.get(args.model, ({}, BATCHES))
    model = cls(adata, seed=0, **settings)
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "limit_val_batches": 0, "early_stopping": False}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter(), time.process_time()
    model.train(max_epochs=1, limit_train_batches=N_BATCHES, **batches, **quiet)
    seconds = {"second": time.perf_counter() - wall, "cpu_second": time.process_time() - cpu}
    found = {f"cells_per_{unit}": 128 * N_BATCHES / value for unit, value in seconds.items()}
    found |= {"mb_before": before, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(
        json.dumps(
            {"memory": args.memory, "model": args.model} | {key: round(value, 1) for key, value in found.items()}
        )
    )


if __name__ == "__main__":
    main()
