"""Replication of the top genes of a test in another protocol: three cell lines, CEL-seq2 and Drop-seq.

Each line is compared with the other two in both data sets, on the genes that both measured. The result is the fraction
of the first k genes of one protocol that are among the first k of the other, which is the same in both directions, by
absolute score, so that downregulated genes count as well. The interval is over the three lines. There are no
replicates, so tests of samples cannot be used. The fraction expected by chance is k divided by the number of genes::

    SCPI_TEST_DATA=... python benchmarks/replication.py --out benchmarks/results/replication.json
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from _results import store
from scipy import stats

import scpi

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = ("wilcoxon", "t-test", "t-test_overestim_var", "logistic", "zinb")
TOP = (30, 100, 300)


def read(protocol: str) -> ad.AnnData:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"mixology_sc_{protocol}_3cl.h5ad")
    adata.var_names_make_unique()
    return adata


def log_fold_changes(adata: ad.AnnData, line: str) -> NDArray[np.float64]:
    """Ranking by fold change, without a test."""
    scpi.de.rank_genes(adata, "cell_line", groups=[line], method="t-test", key_added="lfc", pseudocount=1.0)
    return scpi.get.de_df(adata, key="lfc").set_index("gene")["log2fc"].reindex(adata.var_names).to_numpy()


def scores(adata: ad.AnnData, line: str, method: str) -> NDArray[np.float64]:
    if method == "fold change alone":
        return log_fold_changes(adata, line)
    scpi.de.rank_genes(adata, "cell_line", groups=[line], method=method, key_added="test")
    table = scpi.get.de_df(adata, key="test").set_index("gene").reindex(adata.var_names)
    return table["score"].fillna(0.0).to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    celseq, dropseq = read("celseq2"), read("dropseq")
    shared = celseq.var_names[~celseq.var["spike_in"].to_numpy()].intersection(dropseq.var_names)
    celseq, dropseq = celseq[:, shared].copy(), dropseq[:, shared].copy()
    lines = sorted(celseq.obs["cell_line"].unique())
    rows = []
    for method in (*METHODS, "fold change alone"):
        pairs = [(scores(celseq, line, method), scores(dropseq, line, method)) for line in lines]
        row: dict[str, object] = {"method": method}
        for k in TOP:
            found = [scpi.metrics.top_k_overlap(*pair, k=k) for pair in pairs]
            half = stats.t.ppf(0.975, len(found) - 1) * stats.sem(found)
            row |= {f"top_{k}": float(np.mean(found)), f"top_{k}_half_interval": float(half)}
        rows.append(row)
        print(json.dumps(row), flush=True)
    chance = {"method": "chance"} | {f"top_{k}": k / len(shared) for k in TOP}
    result = {"n_genes": len(shared), "cells": [celseq.n_obs, dropseq.n_obs], "results": [*rows, chance]}
    store(arguments.out, result)


if __name__ == "__main__":
    main()
