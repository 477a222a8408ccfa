"""Training of NBVAE on cells that stay in an h5ad file, or are loaded (``--memory``): cells per second, and memory in MB.

200,000 cells x 5,000 genes, 7 % of the counts above 0; 256 batches of 128 cells of an epoch, one thread, a line of JSON.
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
    args = parser.parse_args()
    one_quiet_thread()
    if not args.file.exists():
        make(args.file)
    adata = ad.read_h5ad(args.file, backed=None if args.memory else "r")
    scpi.model.NBVAE.setup_anndata(adata)
    model = scpi.model.NBVAE(adata, seed=0)
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "limit_val_batches": 0, "early_stopping": False}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter(), time.process_time()
    model.train(max_epochs=1, batch_size=128, limit_train_batches=N_BATCHES, **quiet)
    seconds = {"second": time.perf_counter() - wall, "cpu_second": time.process_time() - cpu}
    found = {f"cells_per_{unit}": 128 * N_BATCHES / value for unit, value in seconds.items()}
    found |= {"mb_before": before, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(json.dumps({"memory": args.memory} | {key: round(value, 1) for key, value in found.items()}))


if __name__ == "__main__":
    main()
