"""Scores of the Virtual Cell Challenge of 2026: scpi against cell-eval2, on the same cells in one run and one thread.

Half of the cells of each perturbation predict the others, a third of them under a wrong label. ``hard`` has few counts and cells::

    SCPI_TEST_DATA=... OMP_NUM_THREADS=1 python benchmarks/vcc2026.py
"""

import os
import time
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _results import store
from cell_eval2 import EvalConfig, compute_metrics
from scipy import sparse

import scpi

OF_TESTS = {"direction_fidelity_yield_raw": "fidelity", "direction_reach_raw": "reach", "sig_jaccard": "jaccard"}
NAMES = {f"de_wilcoxon_{name}": f"de_{ours}" for name, ours in (OF_TESTS | {"lfc_nmae": "lfc_error"}).items()}
NAMES |= {"pds_cosine": "discrimination", "expr_mse_unbiased_capped": "error", "expr_distance_unbiased": "effect"}
CONFIG = replace(EvalConfig.from_preset("vcc2026"), pert_col="perturbation", control="control", cache_strict=False)


def hard(rng: np.random.Generator) -> ad.AnnData:
    genes = pd.Index([f"g{i}" for i in range(2_000)])
    labels = np.repeat(["control", *genes[:60]], [5_000, *rng.integers(6, 121, 60)])
    base = rng.gamma(0.3, 1.0, 2_000) * (rng.random(2_000) > 0.05)
    effect = rng.normal(0, 1, (61, 2_000)) * (rng.random((61, 2_000)) < 0.05) * (np.arange(61)[:, None] > 0)
    rate = base * np.exp(effect)[np.unique(labels, return_inverse=True)[1]] * rng.gamma(2.0, 0.5, (len(labels), 1))
    counts = sparse.csr_matrix(rng.poisson(rate * 700 / base.sum()).astype(np.float32))
    return ad.AnnData(counts, obs={"perturbation": labels}, var=pd.DataFrame(index=genes))


def compare(adata: ad.AnnData, rng: np.random.Generator) -> dict[str, object]:
    labels = adata.obs["perturbation"].astype(str).replace("non-targeting", "control").to_numpy(dtype=object)
    second = pd.Series(rng.random(len(labels))).groupby(labels).rank(pct=True).to_numpy() > 0.5
    measured = ad.AnnData(adata.X[~second], obs={"perturbation": labels[~second]}, var=adata.var)
    wrong = np.flatnonzero(second & (labels != "control") & (rng.random(len(labels)) < 1 / 3))
    labels[wrong] = labels[rng.permutation(wrong)]
    predicted = ad.AnnData(adata.X[second], obs={"perturbation": labels[second]}, var=adata.var)
    for _ in range(2):  # The first run loads modules
        times = [time.process_time()]
        theirs = compute_metrics(predicted, measured, config=CONFIG)
        times.append(time.process_time())
        found = scpi.benchmark.score_vcc2026(predicted, measured).perturbations
        times.append(time.process_time())
    table = pd.DataFrame(theirs.to_dicts()).pivot(index="perturbation", columns="metric", values="value")
    table = table.rename(columns=NAMES).loc[found.index, list(NAMES.values())].astype(float)
    seconds = dict(zip(("cell_eval2", "scpi"), np.diff(times).tolist(), strict=True))
    found, size = found[table.columns], {"cells": adata.n_obs, "genes": adata.n_vars, "perturbations": len(found)}
    same = {"missing_in_both": table.isna().equals(found.isna()), "seconds": seconds}
    return size | same | {"largest_difference": (table - found).abs().max().to_dict()}


sets = {"hard": hard(np.random.default_rng(0))}
sets["papalexi"] = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / "papalexi2021_eccite_299genes.h5ad")
store(
    Path(__file__).parent / "results" / "vcc2026",
    {name: compare(adata, np.random.default_rng(1)) for name, adata in sets.items()},
)
