"""Fraction of genes with p < 0.05 when no gene differs: every test of `scpi.de`, cells against samples.

Four cases without a difference between the groups:

- *simulated cells*: independent negative binomial genes, cells of one population in two random groups;
- *permuted cells*: naive CD4 T cells of pbmc3k in two random groups;
- *simulated donors*: ten donors that differ, five in each group;
- *swapped donors*: kang_muscat, where stimulation is exchanged in one of the two donors, and gbm_panobinostat, where
  treatment is exchanged in some of the five patients (all fifteen ways), so that each group has treated and untreated
  samples. Tests that can adjust do so for the true condition, and for the patient if there are enough samples.

The interval is that of the mean over repetitions. One result is written per case and test; an interrupted run resumes
where it stopped::

    SCPI_TEST_DATA=... python benchmarks/calibration.py --out benchmarks/results/calibration.json
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from _results import store
from scipy import sparse, stats

import scpi

if TYPE_CHECKING:
    from collections.abc import Iterator

ALPHA = 0.05
OF_CELLS = ("wilcoxon", "t-test", "t-test_overestim_var", "logistic", "zinb")
OF_SAMPLES = ("limma", "limma robust", "edger", "deseq2")


def p_values(adata: ad.AnnData, method: str, covariates: tuple[str, ...] = ()) -> np.ndarray:
    """P-values of group "x" against "y" in `obs["group"]`; NaN if a gene was not tested."""
    shared: dict[str, Any] = {"reference": "y", "groups": ["x"], "key_added": "test"}
    if method.startswith("limma"):
        scpi.de.limma(
            adata, "group", sample_key="sample", covariates=covariates, robust=method.endswith("robust"), **shared
        )
    elif method in OF_SAMPLES:
        scpi.de.rank_genes(adata, "group", method=method, sample_key="sample", covariates=covariates, **shared)
    else:
        scpi.de.rank_genes(adata, "group", method=method, **shared)
    return np.asarray(adata.uns["test"]["pvals"]["x"])


def simulated_cells(n_repetitions: int) -> Iterator[tuple[str, ad.AnnData]]:
    for seed in range(n_repetitions):
        rng = np.random.default_rng(1000 + seed)
        n_cells, n_genes = 400, 2_000
        mean = rng.lognormal(0.0, 0.3, n_cells)[:, None] * rng.gamma(1.0, 1.5, n_genes)[None, :] + 0.1
        size = 1.0 / rng.uniform(0.1, 1.0, n_genes)
        counts = rng.poisson(rng.gamma(size, mean / size))
        yield "all", as_adata(counts, rng.permutation(np.repeat(["x", "y"], [160, 240])))


def permuted_cells(n_repetitions: int) -> Iterator[tuple[str, ad.AnnData]]:
    adata = read("pbmc3k_labelled")
    adata = adata[adata.obs["cell_type"] == "Naive CD4 T"].copy()
    adata = adata[:, np.asarray((adata.X > 0).mean(axis=0)).ravel() >= 0.1].copy()
    for seed in range(n_repetitions):
        labels = np.random.default_rng(2000 + seed).permutation(np.repeat(["x", "y"], [280, 417]))
        yield "all", as_adata(adata.X, labels)


def simulated_donors(n_repetitions: int) -> Iterator[tuple[str, ad.AnnData]]:
    for seed in range(n_repetitions):
        rng = np.random.default_rng(3000 + seed)
        n_genes, n_donors, n_cells = 1_000, 10, 50
        donor = np.repeat(np.arange(n_donors), n_cells)
        mean = rng.gamma(1.0, 1.5, n_genes) + 0.1
        # Donors differ by a tenth to a third, as they do between people
        spread = rng.uniform(0.1, 0.35, n_genes)
        of_donor = mean * rng.lognormal(0.0, spread, (n_donors, n_genes))
        depth = rng.lognormal(0.0, 0.3, (len(donor), 1))
        counts = rng.poisson(rng.gamma(2.0, of_donor[donor] * depth / 2.0))
        adata = as_adata(counts, np.where(donor < n_donors // 2, "x", "y"))
        adata.obs["sample"] = donor.astype(str)
        yield "all", adata


def swapped_donors(_: int) -> Iterator[tuple[str, ad.AnnData]]:
    kang = read("kang_muscat")
    kang.obs["sample"] = kang.obs["sample_id"].astype(str)
    kang.obs["group"] = np.where((kang.obs["condition"] == "stim") ^ (kang.obs["donor"].astype(str) == "107"), "x", "y")
    for cell_type in kang.obs["cell_type"].cat.categories:
        yield "kang_muscat", kang[kang.obs["cell_type"] == cell_type].copy()
    gbm = read("gbm_panobinostat_zhao2021_300genes")
    gbm.var_names_make_unique()
    gbm.obs["sample"] = gbm.obs["sample_id"].astype(str)
    patients = sorted(gbm.obs["patient_id"].astype(str).unique())
    treated = (gbm.obs["condition"].astype(str) != "ctrl").to_numpy()
    # Half of the subsets: exchanging the others too gives the same comparison; none exchanged is the true one
    for n in (1, 2):
        for swapped in combinations(patients, n):
            part = gbm.copy()
            part.obs["group"] = np.where(treated ^ part.obs["patient_id"].astype(str).isin(swapped), "x", "y")
            yield "gbm_panobinostat", part


CASES = {
    "simulated cells": (simulated_cells, OF_CELLS),
    "permuted cells": (permuted_cells, OF_CELLS),
    "simulated donors": (simulated_donors, OF_CELLS + OF_SAMPLES),
    "swapped donors": (swapped_donors, OF_CELLS + OF_SAMPLES),
}

COVARIATES = {"kang_muscat": ("condition",), "gbm_panobinostat": ("condition", "patient_id")}


def as_adata(counts: Any, labels: np.ndarray) -> ad.AnnData:
    obs = pd.DataFrame({"group": labels}, index=[f"cell{i}" for i in range(len(labels))])
    return ad.AnnData(sparse.csr_matrix(counts, dtype=np.float32), obs=obs)


def read(name: str) -> ad.AnnData:
    return ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{name}.h5ad")


def summarise(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean rejection rate with its interval over repetitions, and the p-values of the Kolmogorov-Smirnov tests."""
    rates = np.array([row["rate"] for row in rows])
    half = stats.t.ppf(0.975, len(rates) - 1) * stats.sem(rates) if len(rates) > 1 else np.nan
    ks = np.array([row["ks_pval"] for row in rows])
    return {
        "n_repetitions": len(rows),
        "n_genes": float(np.mean([row["n_genes"] for row in rows])),
        "rate": float(rates.mean()),
        "low": float(rates.mean() - half),
        "high": float(rates.mean() + half),
        "ks_rejected": float((ks < ALPHA).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repetitions", type=int, default=20)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"alpha": ALPHA, "results": []}
    done = {(row["case"], row["method"]) for row in found["results"]}
    for case, (make, methods) in CASES.items():
        for method in methods:
            if (case, method) in done:
                continue
            rows: dict[str, list[dict[str, float]]] = {}
            for data, adata in make(arguments.repetitions):
                covariates = COVARIATES.get(data, ()) if method in OF_SAMPLES else ()
                p = p_values(adata, method, covariates)
                p = p[~np.isnan(p)]
                row = {"n_genes": len(p), "rate": float((p < ALPHA).mean())}
                rows.setdefault(data, []).append(row | {"ks_pval": float(stats.kstest(p, "uniform").pvalue)})
            for data, of_data in rows.items():
                result = {"case": case, "data": data, "method": method} | summarise(of_data)
                found["results"].append(result)
                print(json.dumps(result), flush=True)
            store(arguments.out, found)


if __name__ == "__main__":
    main()
