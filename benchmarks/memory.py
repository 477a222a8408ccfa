"""Peak memory of one training epoch on 100,000 x 5,000 cells (CSR, a tenth of the entries present).

The data are written to a temporary file by one process; another loads them, trains for one epoch and reports its peak
resident memory::

    python benchmarks/memory.py --out benchmarks/results/memory.json
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import scanpy as sc
import torch
from training_speed import random_screen

import scpi


def child(path: str) -> None:
    """Load, train one epoch, print the figures."""
    torch.set_num_threads(2)
    adata = sc.read_h5ad(path)
    x = adata.X
    data = x.data.nbytes + x.indices.nbytes + x.indptr.nbytes
    scpi.model.SENAVAE.setup_anndata(adata)
    model = scpi.model.SENAVAE(adata)
    start = time.perf_counter()
    model.train(1, enable_progress_bar=False, accelerator="cpu")
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "data_gb": data / 1e9,
                "peak_gb": peak / 1e9,
                "above_data_gb": (peak - data) / 1e9,
                "seconds": round(seconds, 1),
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "screen.h5ad"
        random_screen(args.cells).write_h5ad(path)
        run = subprocess.run(
            [sys.executable, __file__, "--child", str(path)], check=True, capture_output=True, text=True
        )
    result = {"n_cells": args.cells, "n_genes": 5_000, "density": 0.1} | json.loads(run.stdout.strip().splitlines()[-1])
    print(json.dumps(result))
    if args.out:
        args.out.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
