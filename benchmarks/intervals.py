"""Intervals of predictions, how sure they are, and predicted hits, where conditions are left out of the training.

Perturbations are left out in five parts (Norman et al. 2019, Wessels et al. 2023, Papalexi et al. 2021), as are the lines of L1000, and
contexts one at a time (Kang et al. 2018: types in two donors, or types). Each model is calibrated within what it was trained on::

    SCPI_TEST_DATA=... python benchmarks/intervals.py --out benchmarks/results/intervals

- coverage at .9, over genes and conditions; of the half of the conditions with the larger measured, or predicted, change.
- width: half of the width, relative to that of the mean. confidence: Spearman correlation with the Pearson correlation of the
  change, with a bootstrap interval over conditions. fdr of hits at .05: twice the fraction that is measured with the other sign, as half
  of the genes that do not change are; the mean over conditions, 0 where there are none, and (of_all) that of all hits. recall: of the genes that a z test of the measured cells finds at .05.
- cost: processor time of the calibration relative to the training. The replicate is half of the cells against the other.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from _intervals_data import DATA, rows_of
from _prediction import tidy
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import stats

# Divisions of the perturbations; contexts are left out one at a time
SEEDS = {"norman2019": 2, "wessels2023": 3}


def spearman(rows: pd.DataFrame) -> dict[str, float | None]:
    """Correlation of confidence and accuracy over conditions, means over seeds, with a bootstrap interval."""
    means = rows.groupby("label")[["confidence", "pearson"]].mean().dropna().to_numpy()
    if len(means) < 3 or not np.ptp(means, axis=0).all():
        return {}
    rng = np.random.default_rng(0)
    draws = [stats.spearmanr(means[rng.integers(len(means), size=len(means))]).statistic for _ in range(1000)]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return {"confidence": stats.spearmanr(means).statistic, "confidence_low": low, "confidence_high": high}


def summary(rows: pd.DataFrame) -> dict[str, object]:
    """One row of the table: a model on a data set."""
    found: dict[str, object] = {"n": rows["label"].nunique(), "cost": (rows["calibration"] / rows["training"]).median()}
    if "coverage" in rows:
        found |= {"coverage": rows["coverage"].mean(), "width": rows["width"].mean()}
        for half, size in (("strong", "size"), ("predicted_strong", "predicted_size")):
            found[half] = rows["coverage"][rows[size] > rows.groupby("seed")[size].transform("median")].mean()
    found |= spearman(rows)
    for who in ("", "replicate_"):
        if f"{who}hits" in rows and rows[f"{who}hits"].notna().any():
            n = rows[f"{who}hits"].sum()
            found |= {f"{who}hits": n / len(rows), f"{who}fdr_of_all": 2 * rows[f"{who}wrong"].sum() / n if n else 0.0}
            found[f"{who}fdr"] = (2 * rows[f"{who}wrong"] / rows[f"{who}hits"].clip(lower=1)).mean()
        if f"{who}found" in rows and rows[f"{who}found"].notna().any():
            found[f"{who}recall"] = rows[f"{who}right"].sum() / rows[f"{who}found"].sum()
    return {"status": rows["status"].value_counts().to_dict()} | {key: tidy(value) for key, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", nargs="+", default=list(DATA))
    args = parser.parse_args()
    one_quiet_thread()
    tasks, result = Tasks(args.out), []
    for name in args.data:
        parts = []
        for seed in range(SEEDS.get(name, 1)):
            task = f"{'_'.join(name.replace(',', '').split())}_{seed}"
            if task not in tasks:
                tasks.add(task, [{k: tidy(v) for k, v in row.items()} for row in rows_of(name, seed)])
            parts += tasks[task]
        table = pd.DataFrame(parts)
        by = ["model", "label"] if name.endswith("types") else ["model"]
        for key, rows in table.groupby(by, sort=False):
            result.append({"data": name} | dict(zip(by, key, strict=True)) | summary(rows.dropna(axis=1, how="all")))
            print(json.dumps(result[-1]), flush=True)
    store(args.out, result)


if __name__ == "__main__":
    main()
