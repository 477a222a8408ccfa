"""Statistics of a file of 20,000 genes that stays on disk, or is loaded (``--memory``), as a line of JSON."""

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
from scipy import sparse

import scpi

N_GENES, N_ROWS = 20_000, 5_000


def make(path: Path, gb: float) -> None:
    """Write cells until the file has its size: the same cells over and over, each time in another order."""
    rng = np.random.default_rng(0)
    x = sparse.csr_matrix(rng.poisson(rng.gamma(0.3, 0.35, N_GENES), (N_ROWS, N_GENES)).astype(np.float32))
    n_blocks = max(1, round(gb * 1e9 / (8 * x.nnz)))
    labels = {
        name: rng.integers(0, n, n_blocks * N_ROWS).astype(str) for name, n in {"group": 20, "sample": 50}.items()
    }
    obs = pd.DataFrame(labels, index=np.arange(n_blocks * N_ROWS).astype(str)).astype("category")
    with h5py.File(path, "w") as file:
        ad.io.write_elem(file, "/", ad.AnnData(obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])))
        ad.io.write_elem(file, "X", x)
        for _ in range(n_blocks - 1):
            ad.io.sparse_dataset(file["X"]).append(x[rng.permutation(N_ROWS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("call", help="Function of scpi.de.")
    parser.add_argument("options", type=json.loads, help="Its arguments, as JSON.")
    parser.add_argument("--gb", type=float, default=5.0, help="Size of the file to make, if it is not there.")
    parser.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    if not args.file.exists():
        make(args.file, args.gb)
    adata = ad.read_h5ad(args.file, backed=None if args.memory else "r")
    n_values = adata.X.nnz if args.memory else adata.X.group["data"].shape[0]
    wall, cpu = time.perf_counter(), time.process_time()
    getattr(scpi.de, args.call)(adata, **args.options)
    found = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu, "values": n_values / 1e8}
    found |= {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(json.dumps(vars(args) | {k: round(v, 2) for k, v in found.items()}, default=str))


if __name__ == "__main__":
    main()
