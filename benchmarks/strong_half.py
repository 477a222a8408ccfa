"""What coverage the conditions with the larger measured changes can have, where the size of a change is hard to predict.

Errors are normal, with the size of the change as their scale. The logarithm of the size varies between conditions as it does in the benchmark of
intervals, and what is predicted of it has the same correlation with it. Intervals that are as wide as the expected size, with a
coverage of 0.9, then have this coverage in the half with the larger changes::

    python benchmarks/strong_half.py --out benchmarks/results/strong_half.json

- needed: the correlation at which it would be 0.87.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from _results import RESULTS, Tasks, store
from scipy import optimize, stats

GOAL, LEVEL, N = 0.87, 0.9, 20_000


def expected(spread: float, correlation: float) -> float:
    """Coverage of the half with the larger sizes."""
    size, other = np.random.default_rng(0).normal(size=(2, N))
    known = correlation * size + np.sqrt(1.0 - correlation**2) * other
    ratio = np.exp(spread * (correlation * known - size))

    def coverage(factor: float) -> np.ndarray:
        return 2.0 * stats.norm.cdf(factor * ratio) - 1.0

    factor = optimize.brentq(lambda one: coverage(one).mean() - LEVEL, 0.1, 100.0)
    return float(coverage(factor)[size > np.median(size)].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    table = pd.DataFrame([row for rows in Tasks(RESULTS / "intervals").values() for row in rows])
    found = []
    for (data, model), rows in table[table["coverage"].notna()].groupby(["data", "model"], sort=False):
        size, predicted = (0.5 * np.log(rows[key].clip(lower=1e-12)) for key in ("size", "predicted_size"))
        spread, correlation = size.std(), max(float(np.corrcoef(size, predicted)[0, 1]), 0.0)
        strong = rows["size"] > rows.groupby("seed")["size"].transform("median")
        grid = np.linspace(0.0, 1.0, 21)
        needed = next((one for one in grid if expected(spread, one) >= GOAL), None)
        found.append(
            {"data": data, "model": model, "spread": round(spread, 3), "correlation": round(correlation, 3)}
            | {
                "measured": round(rows["coverage"][strong].mean(), 3),
                "expected": round(expected(spread, correlation), 3),
            }
            | {"needed": None if needed is None else round(float(needed), 2)}
        )
    print(pd.DataFrame(found).to_string())
    store(args.out, found)


if __name__ == "__main__":
    main()
