"""Statistics of a file of counts that stays on disk, or is loaded (``--memory``): seconds, and peak of memory in MB.

20,000 genes, 7 % of the counts above 0, 20 groups, 50 samples; a process for each call, one thread, a line of JSON::

    for call in pseudobulk t-test wilcoxon thin; do python benchmarks/larger_than_memory.py /scratch/5gb.h5ad $call; done
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
from scipy import sparse

import scpi

N_GENES, N_ROWS = 20_000, 5_000
CALLS = {
    "pseudobulk": lambda adata, out: scpi.de.pseudobulk(adata, sample_key="sample"),
    "t-test": lambda adata, out: scpi.de.rank_genes(adata, "group", method="t-test"),
    "wilcoxon": lambda adata, out: scpi.de.rank_genes(adata, "group"),
    "thin": lambda adata, out: scpi.de.thin_counts(adata, rng=0, out=out),
}


def make(path: Path, gb: float) -> None:
    """Write cells until the file has its size: the same cells over and over, each time in another order."""
    rng = np.random.default_rng(0)
    x = sparse.csr_matrix(rng.poisson(rng.gamma(0.3, 0.35, N_GENES), (N_ROWS, N_GENES)).astype(np.float32))
    n_blocks = max(1, round(gb * 1e9 / (8 * x.nnz)))
    labels = {"group": rng.integers(0, 20, n_blocks * N_ROWS), "sample": rng.integers(0, 50, n_blocks * N_ROWS)}
    obs = pd.DataFrame(labels, index=np.arange(n_blocks * N_ROWS).astype(str)).astype(str).astype("category")
    with h5py.File(path, "w") as file:
        ad.io.write_elem(file, "/", ad.AnnData(obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])))
        ad.io.write_elem(file, "X", x)
        for _ in range(n_blocks - 1):
            ad.io.sparse_dataset(file["X"]).append(x[rng.permutation(N_ROWS)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("call", choices=CALLS)
    parser.add_argument("--gb", type=float, default=5.0, help="Size of the file, which is made if it is not there.")
    parser.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    if not args.file.exists():
        make(args.file, args.gb)
    adata = ad.read_h5ad(args.file, backed=None if args.memory else "r")
    n_values = adata.X.nnz if args.memory else adata.X.group["data"].shape[0]
    wall, cpu = time.perf_counter(), time.process_time()
    CALLS[args.call](adata, None if args.memory else args.file.with_suffix(f".thinned-{time.time_ns()}.h5ad"))
    found = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu, "values": n_values / 1e8}
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"call": args.call, "memory": args.memory} | {k: round(v, 2) for k, v in found.items()}))


if __name__ == "__main__":
    main()
