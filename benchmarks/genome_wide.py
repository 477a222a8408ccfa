"""`scpi screen` on a genome-wide screen: 2,000 perturbations x 30 cells x 2,000 genes, from file to report.

Counts are negative binomial. Each perturbation acts on one of 60 factors, with a strength of its own; a quarter of them
does nothing. Gene sets are the genes of the factors and 140 random ones. Wall time, processor time and the largest memory are those of the command alone::

    python benchmarks/genome_wide.py --out benchmarks/results/genome_wide.json
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _results import store
from scipy import sparse

import scpi

N_PERTURBATIONS, N_CELLS, N_GENES, N_CONTROL, N_FACTORS = 2_000, 30, 2_000, 3_000, 60


def write_screen(path: Path, *, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    level = rng.normal(-1.5, 1.2, N_GENES)
    loadings = rng.normal(0, 1.0, (N_FACTORS, N_GENES)) * (rng.random((N_FACTORS, N_GENES)) < 0.04)
    strength = rng.normal(0, 1.0, N_PERTURBATIONS) * (rng.random(N_PERTURBATIONS) < 0.75)
    effects = strength[:, None] * loadings[rng.integers(N_FACTORS, size=N_PERTURBATIONS)]
    blocks = []
    for n, effect in [(N_CONTROL, np.zeros(N_GENES)), *((N_CELLS, effect) for effect in effects)]:
        mean = rng.gamma(4.0, 0.25, (n, 1)) * np.exp(level + effect)
        blocks.append(sparse.csr_matrix(rng.poisson(rng.gamma(2.0, mean / 2.0)).astype(np.float32)))
    names = [f"G{i:04d}" for i in range(N_PERTURBATIONS)]
    labels = np.repeat(["control", *names], [N_CONTROL, *[N_CELLS] * N_PERTURBATIONS])
    adata = ad.AnnData(sparse.vstack(blocks, format="csr"), obs=pd.DataFrame({"perturbation": pd.Categorical(labels)}))
    adata.obs_names = [f"cell{i}" for i in range(adata.n_obs)]
    adata.var_names = [f"G{i:04d}" for i in range(N_GENES)]
    programs = {f"factor_{i}": adata.var_names[row != 0].tolist() for i, row in enumerate(loadings)}
    decoys = {f"decoy_{i}": rng.choice(adata.var_names, 50, replace=False).tolist() for i in range(140)}
    scpi.tl.gene_sets(adata, programs | decoys)
    adata.write_h5ad(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "screen.h5ad", Path(folder) / "report"
        write_screen(path)
        command = [sys.executable, "-c", "from scpi.cli import app; app()", "screen", str(path), "-o", str(out)]
        start = time.perf_counter()
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "2"})
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = {
            "seconds": round(time.perf_counter() - start, 1),
            "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
            "peak_gigabytes": round(used.ru_maxrss / 2**20, 2),
            "n_factors": scpi.model.SENAVAE.load(out / "model", adata=False).n_factors_,
        }
    store(args.out, result)
    print(result)


if __name__ == "__main__":
    main()
