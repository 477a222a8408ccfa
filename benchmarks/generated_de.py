"""Differential expression of generated cells against that of measured cells of a condition that was held out.

Blood cells of two donors with and without interferon beta (kang_muscat). Of one cell type, all treated cells and a random
half of the controls (A) are held out. Models of counts, conditioned on donor, cell type and treatment, are trained on the
rest, and cells of that type are generated with and without treatment, as many as there are in the other half. They are
tested by limma, donor by donor, over five draws. Compared are signed logarithms of p with those of the held-out half of
treated cells and half A of the controls: Spearman correlation, ratio of the numbers of genes with an adjusted p-value below
.05, and agreement in sign of the genes that are significant in the held-out cells. Beside it the other half of the measured
cells, and negative binomial cells around the mean of the controls, moved by the mean change of the other types::

    SCPI_TEST_DATA=... python benchmarks/generated_de.py --out benchmarks/results/generated_de.json
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _quiet import one_quiet_thread
from _results import store
from scipy import sparse, stats

import scpi

KEYS = ["donor", "cell_type", "condition"]
MODELS = {"NBVAE": scpi.model.NBVAE, "DGD": scpi.model.DGD}
DRAWS = 5
# Of a sum of 10,000 in a sample: what keeps the change of a gene without counts finite
OFFSET = 0.5


def read() -> ad.AnnData:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / "kang_muscat.h5ad")
    obs = adata.obs[KEYS].astype(str)
    adata = ad.AnnData(sparse.csr_matrix(adata.X, dtype=np.float32), obs=obs, var=adata.var[[]])
    return adata[:, np.asarray((adata.X > 0).sum(0)).ravel() >= 20].copy()


def tested(cells: ad.AnnData) -> ad.AnnData:
    samples = scpi.de.pseudobulk(cells, sample_key="donor", groupby="condition", min_cells=5)
    scpi.de.limma(samples, "condition", reference="ctrl", covariates="donor")
    return samples


def table(samples: ad.AnnData) -> pd.DataFrame:
    found = scpi.get.signed_logp(samples, key="limma")
    columns = {"signed": found.X[0], "significant": found.layers["is_de_adj"][0]}
    return pd.DataFrame(columns, index=found.var_names)


def compared(samples: ad.AnnData, truth: pd.DataFrame) -> dict[str, float]:
    both = table(samples).join(truth, rsuffix="_truth", how="inner").dropna()
    sure = both[both["significant_truth"].astype(bool)]
    return {
        "spearman": float(stats.spearmanr(both["signed"], both["signed_truth"]).statistic),
        "ratio": float(both["significant"].sum() / max(len(sure), 1)),
        "sign": float((np.sign(sure["signed"]) == np.sign(sure["signed_truth"])).mean()),
        "significant": len(sure),
    }


def halves(adata: ad.AnnData, rng: np.random.Generator) -> np.ndarray:
    """0 or 1 for each cell, half of each sample."""
    half = np.zeros(adata.n_obs, dtype=int)
    for rows in adata.obs.groupby(KEYS).indices.values():
        half[rng.permutation(rows)[: len(rows) // 2]] = 1
    return half


def moved_means(train: ad.AnnData, cell_type: str, plan: pd.DataFrame, rng: np.random.Generator) -> ad.AnnData:
    """Negative binomial cells around the mean of the controls of each donor, moved by the mean change of other types."""
    obs = train.obs
    fractions = {
        key: np.log(1e4 * np.asarray(train.X[rows].sum(0)).ravel() / train.X[rows].sum() + OFFSET)
        for key, rows in obs.groupby(KEYS).indices.items()
    }
    changes = [
        fractions[donor, name, "stim"] - fractions[donor, name, "ctrl"]
        for donor, name, condition in fractions
        if condition == "stim" and (donor, name, "ctrl") in fractions
    ]
    groups = obs[KEYS].agg(" | ".join, axis=1)
    overdispersion = scpi.de.estimate_overdispersion(train.X, groups=pd.factorize(groups)[0])
    blocks = []
    for row in plan.itertuples():
        level = fractions[row.donor, cell_type, "ctrl"] + (np.mean(changes, 0) if row.condition == "stim" else 0.0)
        mean = np.maximum(np.exp(level) - OFFSET, 0.0)
        totals = np.asarray(train.X.sum(1)).ravel()[(obs["cell_type"] == cell_type) & (obs["donor"] == row.donor)]
        rate = rng.choice(totals, row.n_cells)[:, None] * mean / mean.sum()
        spread = np.maximum(overdispersion, 1e-3)
        blocks.append(sparse.csr_matrix(rng.poisson(rng.gamma(1 / spread, rate * spread)).astype(np.float32)))
    made = plan.loc[plan.index.repeat(plan["n_cells"])].reset_index(drop=True)
    made.index = made.index.astype(str)
    return ad.AnnData(sparse.vstack(blocks, format="csr"), obs=made, var=train.var)


def run(adata: ad.AnnData, cell_type: str, seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    half, obs = halves(adata, rng), adata.obs
    own, treated = (obs["cell_type"] == cell_type).to_numpy(), (obs["condition"] == "stim").to_numpy()
    truth = table(tested(adata[own & (half == 0)]))
    train = adata[~(own & (treated | (half == 0)))].copy()
    plan = obs[own & (half == 1)].groupby(KEYS).size().rename("n_cells").reset_index()
    rows = {"the other half": tested(adata[own & (half == 1)])}
    draws = [tested(moved_means(train, cell_type, plan, rng)) for _ in range(DRAWS)]
    rows["mean change"] = scpi.de.pool_limma(draws)
    controls = train[(train.obs["cell_type"] == cell_type).to_numpy()]
    for name, cls in MODELS.items():
        cls.setup_anndata(train, categorical_covariate_keys=KEYS)
        model = cls(train, seed=seed)
        model.train(enable_progress_bar=False, accelerator="cpu")
        sets = [model.generate(plan, rng=draw) for draw in range(DRAWS)]
        rows[name] = scpi.de.pool_limma([tested(cells) for cells in sets])
        against = [ad.concat([cells[cells.obs["condition"] == "stim"], controls]) for cells in sets]
        rows[f"{name}, measured controls"] = scpi.de.pool_limma([tested(cells) for cells in against])
    return [
        {"cell type": cell_type, "cells": name, "seed": seed} | compared(found, truth) for name, found in rows.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 3))
    args = parser.parse_args()
    one_quiet_thread()
    adata = read()
    rows = []
    for seed in range(*args.seeds):
        for cell_type in sorted(adata.obs["cell_type"].unique()):
            rows += run(adata, cell_type, seed)
            store(args.out, {"rows": rows})
    means = pd.DataFrame(rows).groupby(["cells"])[["spearman", "ratio", "sign", "significant"]]
    print(means.agg(["mean", "sem"]).round(3).T.to_string())


if __name__ == "__main__":
    main()
