"""limma-voom: scpi against R's own limma on the same counts in one run, and the time and memory of a large screen.

Both sides do voom, the linear model, the contrasts of all groups against one, and moderated tests (plain and robust),
on 3,000 genes x 105 samples in 31 groups, with one covariate, in one thread each. The large screen has 2,000 samples
of 600 groups, 10,000 genes and one covariate of 4 levels: all 599 contrasts, in a process of its own with two
threads. R is skipped if there is no ``Rscript`` with limma::

    python benchmarks/limma_speed.py --out benchmarks/results/limma_speed.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from _results import store

from scpi import de

R_SCRIPT = """
suppressMessages({library(edgeR); library(limma)})
y <- as.matrix(read.csv("counts.csv", row.names = 1)); obs <- read.csv("obs.csv", stringsAsFactors = TRUE)
d <- calcNormFactors(DGEList(y)); mm <- model.matrix(~0 + group + plate, obs)
levels <- setdiff(levels(obs$group), "ref")
con <- makeContrasts(contrasts = paste0("group", levels, "-groupref"), levels = colnames(mm))
seconds <- c()
for (i in 1:5) { gc(); t0 <- proc.time()[3]
  e <- eBayes(contrasts.fit(lmFit(voom(d, mm), mm), con), robust = ROBUST); seconds <- c(seconds, proc.time()[3] - t0) }
write.csv(e$t, "t.csv"); cat(seconds, as.character(packageVersion("limma")), R.version.string, sep = "\\n")
"""


def simulate(
    n_samples: int, n_groups: int, n_genes: int, n_plates: int, seed: int = 0
) -> tuple[np.ndarray, pd.DataFrame]:
    """Negative binomial counts of samples, a tenth of the genes changed in each group."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(
        np.r_[np.repeat(np.arange(n_groups), 2), rng.integers(0, n_groups, n_samples - 2 * n_groups)]
    )
    plate = rng.integers(0, n_plates, n_samples)
    mean = rng.gamma(0.6, 60.0, n_genes) + 0.05
    change = np.where(rng.random((n_groups, n_genes)) < 0.1, rng.normal(0.0, 1.0, (n_groups, n_genes)), 0.0)
    depth = rng.lognormal(0.0, 0.3, n_samples)
    counts = np.empty((n_samples, n_genes), dtype=np.int32)
    for i in range(n_samples):
        expected = depth[i] * mean * 2.0 ** (change[group[i]] + 0.1 * plate[i])
        counts[i] = rng.poisson(rng.gamma(10.0, expected / 10.0))
    names = np.array(["ref", *[f"g{i}" for i in range(1, n_groups)]])
    return counts, pd.DataFrame({"group": names[group], "plate": [f"p{i}" for i in plate]})


def design_of(obs: pd.DataFrame) -> pd.DataFrame:
    groups = pd.get_dummies(obs["group"], dtype=float)
    return pd.concat([groups, pd.get_dummies(obs["plate"], dtype=float, drop_first=True)], axis=1)


def against_reference(design: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    matrix = pd.DataFrame(0.0, index=design.columns, columns=groups)
    matrix.loc["ref"] = -1.0
    matrix.loc[groups] += np.eye(len(groups))
    return matrix


def run_scpi(counts: np.ndarray, obs: pd.DataFrame, *, robust: bool) -> tuple[dict[str, float], de.ModeratedFit]:
    """Seconds of each step, and the tests."""
    factors = de.norm_factors(counts)
    design = design_of(obs)
    matrix = against_reference(design, sorted(set(obs["group"]) - {"ref"}))
    times = [time.perf_counter()]
    trend = de.voom(counts, design, norm_factors=factors)
    times.append(time.perf_counter())
    fit = de.lm_fit(trend.expression, design, weights=trend.weights)
    times.append(time.perf_counter())
    contrasted = de.contrasts(fit, matrix)
    times.append(time.perf_counter())
    tests = de.ebayes(contrasted, robust=robust)
    times.append(time.perf_counter())
    steps = dict(zip(("voom", "lm_fit", "contrasts", "ebayes"), np.diff(times).round(4).tolist(), strict=True))
    return steps | {"total": round(times[-1] - times[0], 4)}, tests


def compare(*, robust: bool) -> dict[str, object]:
    counts, obs = simulate(105, 31, 3_000, 4)
    runs = [run_scpi(counts, obs, robust=robust) for _ in range(6)][1:]  # the first one loads modules
    result: dict[str, object] = {
        "robust": robust,
        "scpi_seconds": float(np.median([steps["total"] for steps, _ in runs])),
    }
    if shutil.which("Rscript") is None:
        return result
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = [f"s{i}" for i in range(len(obs))]
        pd.DataFrame(counts.T, index=[f"g{i}" for i in range(counts.shape[1])], columns=samples).to_csv(
            folder / "counts.csv"
        )
        obs.to_csv(folder / "obs.csv", index=False)
        (folder / "run.R").write_text(R_SCRIPT.replace("ROBUST", str(robust).upper()))
        done = subprocess.run(["Rscript", "run.R"], cwd=folder, capture_output=True, text=True, check=True)
        *seconds, limma, r = done.stdout.strip().splitlines()
        t = pd.read_csv(folder / "t.csv", index_col=0).rename(
            columns=lambda name: name.removeprefix("group").split(".")[0]
        )
    names = list(runs[0][1].names)
    t = t.rename(columns=lambda name: name.split("-")[0])[names].to_numpy().T
    difference = float(np.max(np.abs(runs[0][1].t - t) / np.maximum(np.abs(t), 1e-2)))
    r_seconds = float(np.median([float(value) for value in seconds]))
    versions = {"limma": limma, "r": r}
    return (
        result
        | versions
        | {
            "r_seconds": r_seconds,
            "speedup": r_seconds / float(result["scpi_seconds"]),  # type: ignore[arg-type]
            "largest_relative_difference_of_t": difference,
        }
    )


def large(front: bool) -> dict[str, object]:
    """The large screen, by single steps or through AnnData."""
    counts, obs = simulate(2_000, 600, 10_000, 4)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if front:
        adata = ad.AnnData(counts, obs=obs.set_index(pd.Index([f"s{i}" for i in range(len(obs))])))
        start = time.perf_counter()
        de.limma(adata, "group", reference="ref", covariates=["plate"], filter_genes=False)
        steps = {"total": round(time.perf_counter() - start, 2)}
        n_tests = len(adata.uns["limma"]["groups"])
    else:
        steps, tests = run_scpi(counts, obs, robust=False)
        n_tests = len(tests.names)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"n_contrasts": n_tests, "seconds": steps, "gb_before": before / 2**20, "peak_gb": peak / 2**20}


def in_process(mode: str, threads: int) -> dict[str, object]:
    command = [sys.executable, __file__, "--only", mode]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", choices=["plain", "robust", "large", "front"])
    args = parser.parse_args()
    if args.only in {"large", "front"}:
        print(json.dumps(large(args.only == "front")))
        return
    if args.only:
        print(json.dumps(compare(robust=args.only == "robust")))
        return
    result = {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "against_r": [in_process("plain", 1), in_process("robust", 1)],
        "large_screen": in_process("large", 2),
        "large_screen_through_anndata": in_process("front", 2),
    }
    print(json.dumps(result, indent=1))
    if args.out:
        store(args.out, result)


if __name__ == "__main__":
    main()
