"""Seconds of `scpi.de.rank_genes`, of illico called directly and of scanpy, in the same rounds.

Random sparse log-normalised counts, an eighth of them not zero, and 50 groups, the first of which, a tenth of the
cells, is the control. illico is called with two threads, once for its data frame and once for the structure of scanpy,
which scpi writes as well; scanpy uses its default number of threads. illico and scpi correct for ties, scanpy does so
on request. The medians over the rounds are compared; scanpy's rank-sum test, the slowest, runs once::

    python benchmarks/rank_genes_speed.py --out benchmarks/results/rank_genes_speed.json
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import scanpy as sc
from _results import store
from illico import asymptotic_wilcoxon
from loguru import logger
from scipy import sparse

import scpi

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = ((20_000, 2_000), (100_000, 5_000))
N_GROUPS, DENSITY, N_THREADS = 50, 0.12, 2


def random_cells(n_cells: int, n_genes: int, seed: int = 0, n_groups: int = N_GROUPS) -> ad.AnnData:
    """Log-normalised random counts with the zeros and ties of real ones."""
    rng = np.random.default_rng(seed)
    blocks = []
    for start in range(0, n_cells, 10_000):
        shape = (min(10_000, n_cells - start), n_genes)
        block = sparse.random(*shape, density=DENSITY, format="csr", dtype=np.float32, random_state=rng)
        block.data[:] = 1 + rng.poisson(0.7, block.nnz)
        blocks.append(block)
    share = [0.1, *[0.9 / (n_groups - 1)] * (n_groups - 1)]
    obs = pd.DataFrame({"group": pd.Categorical(rng.choice(n_groups, n_cells, p=share).astype(str))})
    obs.index = "cell" + obs.index.astype(str)
    adata = ad.AnnData(sparse.vstack(blocks, format="csr"), obs=obs)
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    return adata


def seconds(call: Callable[[], object]) -> float:
    """Wall time of a call with its progress bars silenced."""
    start = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):
        call()
    return time.perf_counter() - start


def compare(adata: ad.AnnData, reference: str, n_rounds: int) -> dict[str, float]:
    """Medians of the rounds of each contender, and their ratios."""

    def illico(*, as_scanpy: bool) -> object:
        return asymptotic_wilcoxon(
            adata,
            is_log1p=True,
            group_keys="group",
            reference=None if reference == "rest" else reference,
            n_threads=N_THREADS,
            return_as_scanpy=as_scanpy,
        )

    def ranked(method: str) -> object:
        return scpi.de.rank_genes(adata, "group", reference=reference, method=method, n_jobs=N_THREADS)

    def by_scanpy(method: str, **options: bool) -> object:
        return sc.tl.rank_genes_groups(adata, "group", reference=reference, method=method, **options)

    contenders: dict[str, Callable[[], object]] = {
        "illico": lambda: illico(as_scanpy=False),
        "illico_as_scanpy": lambda: illico(as_scanpy=True),
        "scpi_wilcoxon": lambda: ranked("wilcoxon"),
        "scpi_t_test": lambda: ranked("t-test"),
    }
    for call in contenders.values():  # compiles and warms up
        seconds(call)
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(n_rounds):
        for name, call in contenders.items():
            taken[name].append(seconds(call))
    result = {f"{name}_s": median(times) for name, times in taken.items()}
    result["scanpy_t_test_s"] = seconds(lambda: by_scanpy("t-test"))
    result["scanpy_wilcoxon_s"] = seconds(lambda: by_scanpy("wilcoxon"))
    result["scanpy_wilcoxon_ties_s"] = seconds(lambda: by_scanpy("wilcoxon", tie_correct=True))
    result["over_illico"] = result["scpi_wilcoxon_s"] / result["illico_s"]
    result["over_illico_as_scanpy"] = result["scpi_wilcoxon_s"] / result["illico_as_scanpy_s"]
    result["faster_than_scanpy_wilcoxon"] = result["scanpy_wilcoxon_s"] / result["scpi_wilcoxon_s"]
    result["faster_than_scanpy_wilcoxon_ties"] = result["scanpy_wilcoxon_ties_s"] / result["scpi_wilcoxon_s"]
    result["faster_than_scanpy_t_test"] = result["scanpy_t_test_s"] / result["scpi_t_test_s"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    logger.disable("illico")
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"runs": []}
    done = {(run["n_cells"], run["reference"]) for run in found["runs"]}
    for n_cells, n_genes in SIZES:
        if {(n_cells, "rest"), (n_cells, "0")} <= done:
            continue
        adata = random_cells(n_cells, n_genes)
        for reference in ("rest", "0"):
            run = {"n_cells": n_cells, "n_genes": n_genes, "n_groups": N_GROUPS, "reference": reference}
            run |= compare(adata, reference, arguments.rounds)
            found["runs"].append(run)
            found |= {
                "threads": N_THREADS,
                "machine": platform.machine(),
                "scanpy": version("scanpy"),
                "illico": version("illico"),
            }
            store(arguments.out, found)
            print(json.dumps(run))


if __name__ == "__main__":
    main()
