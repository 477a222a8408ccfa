"""Type I error of limma with few samples, by residual and prior degrees of freedom, where no gene differs.

Two to five pairs of samples with the donor as covariate, or two samples in each group without pairs. Genes differ in the overdispersion of their cells and in how much samples vary beyond
it. An interrupted run resumes::

    python benchmarks/few_samples.py --out benchmarks/results/few_samples
"""

from __future__ import annotations

import argparse
import warnings
from itertools import product
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _results import Tasks, store

import scpi

SEEDS, N_CELLS, DONOR_SD, SHAPE = range(20), 100, 0.3, 4.0
DESIGNS = {"2 pairs": 2, "3 pairs": 3, "4 pairs": 4, "5 pairs": 5, "2 against 2": 2}
WORLDS = list(product(DESIGNS, (300, 2_000), (0.0, 0.1, 0.3)))


def simulate(design: str, n_genes: int, sd: float, rng: np.random.Generator) -> ad.AnnData:
    n = DESIGNS[design]
    label = np.tile(["a", "b"], n)
    donor = np.repeat(np.arange(n), 2) if "pairs" in design else np.arange(2 * n)
    spread = np.sqrt(SHAPE / rng.chisquare(SHAPE, (2, n_genes))) * [[DONOR_SD], [sd]]
    log_mean = rng.normal(-1.5, 1.6, n_genes) + rng.normal(size=(2 * n, n_genes))[donor] * spread[0]
    log_mean = log_mean + rng.normal(size=(2 * n, n_genes)) * spread[1] + rng.normal(0, 0.2, (2 * n, 1))
    size = rng.poisson(N_CELLS, (2 * n, 1)) / rng.lognormal(-0.7, 1.0, n_genes)
    counts = rng.poisson(rng.gamma(size, np.exp(log_mean) * N_CELLS / size)).astype(np.float32)
    obs = pd.DataFrame({"label": label, "donor": [f"d{one}" for one in donor]}, index=map(str, range(2 * n)))
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=map(str, range(n_genes))))


def test(design: str, n_genes: int, sd: float, seed: int) -> dict[str, float]:
    adata = simulate(design, n_genes, sd, np.random.default_rng([seed, WORLDS.index((design, n_genes, sd))]))
    scpi.de.limma(adata, "label", reference="a", covariates=["donor"] if "pairs" in design else [])
    [groups] = adata.uns["limma"]["groups"].to_dict("records")
    found = scpi.get.de_df(adata, key="limma").dropna(subset="pval")
    rates = {f"below {level}": float((found["pval"] < level).mean()) for level in (0.05, 0.001)}
    prior = min(float(groups["df_prior"]), 1e6)
    return {"df": int(groups["df_residual"]), "prior": prior, "false": int((found["pval_adj"] < 0.05).sum())} | rates


def summarise(runs: pd.DataFrame) -> list[dict[str, float | str]]:
    runs["strong"] = runs["prior"] > 20
    parts = [((df, strong), part) for (df, strong), part in runs.groupby(["df", "strong"])]
    parts += [(("1 to 3", strong), part) for strong, part in runs[runs["df"] <= 3].groupby("strong")]
    return [
        {"df": str(df), "strong": bool(strong), "n": len(part), "any": float((part["false"] > 0).mean())}
        | {name: float(part[name].mean()) for name in ("below 0.05", "below 0.001", "false")}
        for (df, strong), part in parts
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    tasks = Tasks(out)
    warnings.simplefilter("ignore")
    for world, seed in product(WORLDS, SEEDS):
        name = " ".join(map(str, (*world, seed)))
        if name not in tasks:
            tasks.add(name, test(*world, seed))
    store(out, summarise(pd.DataFrame([*tasks.values()])))
