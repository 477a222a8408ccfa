"""limma, edgeR and DESeq2 on simulated donors: type I error, false discovery rate and power, per seed.

1,000 genes in two conditions: *null* (6 against 6 donors, nothing differs), *unpaired* (6 against 6, one gene in ten differs twofold) and *paired* (6 donors with
a sample of each, the same, with the donor as covariate). Counts are negative binomial with a dispersion that varies between genes, the log means of donors have a standard
deviation of 0.3, and libraries differ. An interrupted run resumes::

    python benchmarks/sample_tests.py --out benchmarks/results/sample_tests
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _results import Tasks, store
from scipy import stats

import scpi

N_GENES, N_DONORS, SEEDS = 1_000, 6, range(20)
FOLD = {"null": 1.0, "unpaired": 2.0, "paired": 2.0}
METHODS = ("limma", "limma robust", "edger", "deseq2")


def simulate(world: str, seed: int) -> ad.AnnData:
    rng = np.random.default_rng([seed, list(FOLD).index(world)])
    condition = np.repeat(["ctrl", "stim"], N_DONORS)
    donor = np.arange(2 * N_DONORS) % N_DONORS if world == "paired" else np.arange(2 * N_DONORS)
    change = np.zeros(N_GENES)
    change[: N_GENES // 10] = np.log(FOLD[world]) * rng.choice([-1, 1], N_GENES // 10)
    log_mean = np.log(rng.gamma(1.0, 100.0, N_GENES) + 5.0) + rng.normal(0, 0.3, (2 * N_DONORS, N_GENES))[donor]
    log_mean += (condition == "stim")[:, None] * change + rng.normal(0, 0.3, (2 * N_DONORS, 1))
    size = rng.chisquare(10, N_GENES) / 0.5
    counts = rng.poisson(rng.gamma(size, np.exp(log_mean) / size)).astype(np.float32)
    obs = pd.DataFrame({"condition": condition, "donor": [f"d{i}" for i in donor]}, index=map(str, range(len(donor))))
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame({"differs": change != 0}, index=map(str, range(N_GENES))))


def tests(world: str, seed: int) -> dict[str, dict[str, float]]:
    adata, found = simulate(world, seed), {}
    adata.obs["sample"] = adata.obs_names
    options = {"reference": "ctrl", "covariates": ["donor"] if world == "paired" else []}
    for name in METHODS:
        if name.startswith("limma"):
            scpi.de.limma(adata, "condition", robust=name.endswith("robust"), key_added="test", **options)
        else:
            options |= {"sample_key": "sample", "min_cells": 1}
            scpi.de.rank_genes(adata, "condition", method=name, key_added="test", **options)
        frame = scpi.get.de_df(adata, key="test").set_index("gene").reindex(adata.var_names)
        hit, differs = frame["pval_adj"] <= 0.05, adata.var["differs"]
        found[name] = {"type I": float((frame["pval"][~differs] < 0.05).mean())}
        if differs.any():
            found[name] |= {
                "FDR": float((hit & ~differs).sum() / max(hit.sum(), 1)),
                "power": float(hit[differs].mean()),
            }
    return found


def interval(values: list[float]) -> dict[str, float]:
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return {"mean": round(float(np.mean(values)), 4), "half": round(float(half), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    tasks = Tasks(parser.parse_args().out)
    warnings.simplefilter("ignore")
    for seed in SEEDS:
        for world in FOLD:
            if f"{world} {seed:02d}" not in tasks:
                tasks.add(f"{world} {seed:02d}", tests(world, seed))
    summary = {}
    for world in FOLD:
        runs = [run for name, run in tasks.items() if name.startswith(f"{world} ")]
        summary[world] = {m: {k: interval([run[m][k] for run in runs]) for k in runs[0][m]} for m in METHODS}
    store(tasks.path, {"seeds": len(SEEDS), "genes": N_GENES, "donors": N_DONORS, "summary": summary})


if __name__ == "__main__":
    main()
