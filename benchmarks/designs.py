"""What a part of limma is worth where a design asks for it: type I error, false discovery rate and power, per seed.

Situations, each tested without and with the part: two poor samples of ten (`sample_weights`), partly paired donors (`block`), three samples per donor with
the condition between donors (`donor_key`, `block`), fold changes above a minimum (`log2fc_min`) and correlated gene sets (`scpi.tl.enrichment`). An interrupted run resumes::

    python benchmarks/designs.py --out benchmarks/results/designs
"""

from __future__ import annotations

import argparse
import subprocess
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import anndata as ad
import numpy as np
import pandas as pd
from _results import Tasks, store
from scipy import stats

import scpi

N_GENES, SEEDS = 1_000, range(40)
SETS = "gene sets, correlation 0.1"
# Arguments of each way, and what is a true discovery and a hit where it is not any change
WAYS = {
    "2 poor samples of 10": {"plain": {}, "sample_weights": {"sample_weights": True}},
    "partly paired donors": {"donor as covariate": {"covariates": "donor"}, "donor as block": {"block": "donor"}},
    "3 samples per donor": {
        "as samples": {},
        "summed (donor_key)": {"donor_key": "donor"},
        "donor as block": {"block": "donor"},
    },
    "log2 fold change above 1": {"FDR, then fold change": {}, "log2fc_min": {"log2fc_min": 1.0}},
}
RATES = {"FDR, then fold change": {"minimum": 1.0, "cut": 1.0}, "log2fc_min": {"minimum": 1.0}}


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


def rates(frame, change, *, minimum=0.0, cut=0.0):
    """Type I error, false discovery rate and power of a table of genes with `pval` and `log2fc`."""
    frame = frame.set_index("gene").reindex(change.index)
    true = change.abs() > minimum
    adjusted = pd.Series(scpi.de.false_discovery_control(frame["pval"]), index=frame.index)
    hit = (adjusted <= 0.05) & (frame["log2fc"].abs() >= cut)
    found = {"FDR": float((hit & ~true).sum() / max(hit.sum(), 1)), "power": float(hit[true].mean())}
    return found if minimum else {"type I": float((frame["pval"][~true].dropna() < 0.05).mean()), **found}


def of_sets(pvals):
    return {"type I": float((np.asarray(pvals) < 0.05).mean())}


def tested(adata, **options):
    scpi.de.limma(adata, "condition", reference="ctrl", **options)
    return scpi.get.de_df(adata, key="limma")


def test_sets(adata):
    t = tested(adata).set_index("gene").reindex(adata.var_names)["score"].to_numpy()
    pairs = [(t[member & ~np.isnan(t)], t[~member & ~np.isnan(t)]) for member in adata.varm["gene_sets"].T]
    found = {"rank-sum test of t": of_sets([stats.mannwhitneyu(*pair).pvalue for pair in pairs])}
    for way in ("camera", "camera, estimated", "fry", "roast"):
        options = {"camera, estimated": {"correlation": None}, "roast": {"n_rotations": 999}}.get(way, {})
        scpi.tl.enrichment(adata, method=way.partition(",")[0], **options)
        found[way] = of_sets(scpi.get.enrichment(adata)["pval"])
    return found


def data(seed):
    rng, both = np.random.default_rng(seed), ["ctrl", "stim"]
    alone = pd.DataFrame({"condition": np.repeat(both, 5), "donor": np.arange(10)}).astype(str)
    pairs = pd.DataFrame({"condition": np.tile(both, 8), "donor": np.repeat(np.arange(8), 2)}).astype(str)
    threes = pd.DataFrame({"condition": np.repeat(both, 12), "donor": np.arange(24) // 3}).astype(str)
    return {
        "2 poor samples of 10": simulate(rng, alone, donor_sd=0.0, poor=(1, 7)),
        "partly paired donors": simulate(rng, pairs.drop(index=[1, 3, 12, 14]), donor_sd=0.5),
        "3 samples per donor": simulate(rng, threes, donor_sd=0.3),
        "log2 fold change above 1": simulate(rng, alone, donor_sd=0.0, fold=(0.8, 1.6)),
        SETS: simulate(rng, alone, donor_sd=0.0, fold=(), correlated=0.1),
    }


def run(seed):
    adatas, found = data(seed), {}
    for situation, ways in WAYS.items():
        adata = adatas[situation]
        found[situation] = {
            way: rates(tested(adata, **options), adata.var["change"], **RATES.get(way, {}))
            for way, options in ways.items()
        }
    return found | {SETS: test_sets(adatas[SETS])}


def run_in_r(seed):
    """The same by limma itself, on the same data."""
    adatas, found = data(seed), {}
    with TemporaryDirectory() as folder:
        for situation, adata in adatas.items():
            pd.DataFrame(adata.X.T.astype(int), columns=adata.obs_names).to_csv(
                f"{folder}/{situation}.counts.csv", index=False
            )
            adata.obs.to_csv(f"{folder}/{situation}.obs.csv", index=False)
        subprocess.run(["Rscript", Path(__file__).with_suffix(".R"), folder], check=True, capture_output=True)
        for situation, adata in adatas.items():
            ways = WAYS.get(situation, ["rank-sum test of t", "camera", "camera, estimated", "fry", "roast"])
            tables = {way: pd.read_csv(f"{folder}/{situation}.{way}.csv", dtype={"gene": str}) for way in ways}
            found[situation] = {
                way: of_sets(table["pval"])
                if situation == SETS
                else rates(table, adata.var["change"], **RATES.get(way, {}))
                for way, table in tables.items()
            }
    return found


def interval(values):
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return {"mean": round(float(np.mean(values)), 4), "half": round(float(half), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--r", type=int, default=0, help="number of seeds to test by limma in R as well")
    args = parser.parse_args()
    tasks = Tasks(args.out)
    warnings.simplefilter("ignore")
    for seed in SEEDS:
        if f"{seed:02d}" not in tasks:
            tasks.add(f"{seed:02d}", run(seed))
        if seed < args.r and f"R {seed:02d}" not in tasks:
            tasks.add(f"R {seed:02d}", run_in_r(seed))
    done = dict(tasks.items())
    parts = {
        "": [done[f"{seed:02d}"] for seed in SEEDS],
        "R": [one for name, one in done.items() if name.startswith("R")],
    }
    # On the seeds that R has, so that both are on the same data
    parts["same"] = parts[""][: len(parts["R"])]
    summaries = {
        part: {
            situation: {
                way: {k: interval([one[situation][way][k] for one in runs]) for k in found}
                for way, found in ways.items()
            }
            for situation, ways in runs[0].items()
        }
        for part, runs in parts.items()
        if runs
    }
    summary = {"seeds": len(SEEDS), "genes": N_GENES, "summary": summaries[""], "r_seeds": len(parts["R"])}
    store(tasks.path, summary | {name: summaries[name] for name in ("R", "same") if name in summaries})


if __name__ == "__main__":
    main()
