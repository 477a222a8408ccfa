"""What a part of limma is worth where a design asks for it: type I error, false discovery rate and power, per seed.

Situations, each tested without and with the part: two poor samples of ten (`sample_weights`), partly paired donors (`block`), three samples per donor with
the condition between donors (`donor_key`, `block`), fold changes above a minimum (`log2fc_min`) and correlated gene sets (`scpi.tl.enrichment`). An interrupted run resumes::

    python benchmarks/designs.py --out benchmarks/results/designs
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

N_GENES, SEEDS = 1_000, range(40)
MINIMUM = 1.0


def simulate(rng, obs, *, donor_sd, poor=(), fold=(1.0,), correlated=0.0):
    """Counts of samples whose libraries and donors differ, with each log2 fold change of `fold` in a tenth of the genes."""
    change = np.zeros(N_GENES)
    n_changed = len(fold) * N_GENES // 10
    change[:n_changed] = np.repeat(fold, N_GENES // 10) * rng.choice([-1, 1], n_changed)
    donors = pd.factorize(obs["donor"])[0]
    log_mean = (
        np.log(rng.gamma(1.0, 100.0, N_GENES) + 5.0) + rng.normal(0, donor_sd, (donors.max() + 1, N_GENES))[donors]
    )
    log_mean += (obs["condition"] == "stim").to_numpy()[:, None] * change * np.log(2) + rng.normal(
        0, 0.3, (len(obs), 1)
    )
    noise = rng.normal(0, 0.3, (len(obs), N_GENES)) * np.where(np.isin(np.arange(len(obs)), poor), 4.0, 1.0)[:, None]
    sets = np.arange(N_GENES) // 20
    noise = (
        np.sqrt(1 - correlated) * noise
        + np.sqrt(correlated) * 0.3 * rng.normal(size=(len(obs), sets.max() + 1))[:, sets]
    )
    adata = ad.AnnData(
        rng.poisson(np.exp(log_mean + noise)).astype(np.float32), obs=obs.set_index(obs.index.astype(str))
    )
    adata.var["change"] = change
    adata.varm["gene_sets"] = sets[:, None] == np.arange(sets.max() + 1)
    return adata


def rates(adata, *, minimum=0.0, cut=0.0, **options):
    scpi.de.limma(adata, "condition", reference="ctrl", **options)
    frame = scpi.get.de_df(adata, key="limma").set_index("gene").reindex(adata.var_names)
    true = np.abs(adata.var["change"]) > minimum
    hit = (frame["pval_adj"] <= 0.05) & (np.abs(frame["log2fc"]) >= cut)
    found = {"FDR": float((hit & ~true).sum() / max(hit.sum(), 1)), "power": float(hit[true].mean())}
    return found if minimum else {"type I": float((frame["pval"][~true] < 0.05).mean()), **found}


def sets_of(adata):
    scpi.de.limma(adata, "condition", reference="ctrl")
    t = scpi.get.de_df(adata, key="limma").set_index("gene").reindex(adata.var_names)["score"].to_numpy()
    pairs = [(t[member & ~np.isnan(t)], t[~member & ~np.isnan(t)]) for member in adata.varm["gene_sets"].T]
    found = {"rank-sum test of t": [stats.mannwhitneyu(*pair).pvalue for pair in pairs]}
    for method, options in {
        "camera": {},
        "camera, estimated": {"correlation": None},
        "fry": {},
        "roast": {"n_rotations": 999},
    }.items():
        scpi.tl.enrichment(adata, method=method.partition(",")[0], **options)
        found[method] = scpi.get.enrichment(adata)["pval"]
    return {name: {"type I": float((np.asarray(pval) < 0.05).mean())} for name, pval in found.items()}


def run(seed):
    rng, both = np.random.default_rng(seed), ["ctrl", "stim"]
    alone = pd.DataFrame({"condition": np.repeat(both, 5), "donor": np.arange(10)}).astype(str)
    pairs = pd.DataFrame({"condition": np.tile(both, 8), "donor": np.repeat(np.arange(8), 2)}).astype(str)
    threes = pd.DataFrame({"condition": np.repeat(both, 12), "donor": np.arange(24) // 3}).astype(str)
    poor = simulate(rng, alone, donor_sd=0.0, poor=(1, 7))
    partly = simulate(rng, pairs.drop(index=[1, 3, 12, 14]), donor_sd=0.5)
    replicates, large = simulate(rng, threes, donor_sd=0.3), simulate(rng, alone, donor_sd=0.0, fold=(0.8, 1.6))
    correlated = simulate(rng, alone, donor_sd=0.0, fold=(), correlated=0.1)
    return {
        "2 poor samples of 10": {"plain": rates(poor), "sample_weights": rates(poor, sample_weights=True)},
        "partly paired donors": {
            "donor as covariate": rates(partly, covariates="donor"),
            "donor as block": rates(partly, block="donor"),
        },
        "3 samples per donor": {
            "as samples": rates(replicates),
            "summed (donor_key)": rates(replicates, donor_key="donor"),
            "donor as block": rates(replicates, block="donor"),
        },
        "log2 fold change above 1": {
            "FDR, then fold change": rates(large, minimum=MINIMUM, cut=MINIMUM),
            "log2fc_min": rates(large, minimum=MINIMUM, log2fc_min=MINIMUM),
        },
        "gene sets, correlation 0.1": sets_of(correlated),
    }


def interval(values):
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return {"mean": round(float(np.mean(values)), 4), "half": round(float(half), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    tasks = Tasks(parser.parse_args().out)
    warnings.simplefilter("ignore")
    for seed in SEEDS:
        if f"{seed:02d}" not in tasks:
            tasks.add(f"{seed:02d}", run(seed))
    runs = list(tasks.values())
    summary = {
        situation: {
            way: {k: interval([one[situation][way][k] for one in runs]) for k in found} for way, found in ways.items()
        }
        for situation, ways in runs[0].items()
    }
    store(tasks.path, {"seeds": len(runs), "genes": N_GENES, "summary": summary})


if __name__ == "__main__":
    main()
