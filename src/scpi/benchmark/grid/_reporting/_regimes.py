"""Regimes: conditions stratified by the performance of simple baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._scoring._bounds import UNCHANGED
from scpi._scoring._metrics import LOWER_IS_BETTER
from scpi._scoring._noise_ceiling import CEILING
from scpi.benchmark.grid._reporting._ranking import CONDITION, comparable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.benchmark.grid._reporting._ranking import Benchmark

REGIMES = ("no signal", "near-solved", "between", "resistant")
"""No signal: a replicate is no better than no change. Near-solved: the best baseline reaches the replicate. Resistant: it is no
better than no change. Between: neither."""


def regimes(benchmark: Benchmark, ranking: pd.DataFrame) -> pd.DataFrame:
    """Count the conditions of each regime in which each model beats the best baseline, for each metric.

    ``ranking`` is that of the benchmark. Metrics without a baseline or a noise ceiling have no regimes.
    """
    tables = [
        _of_metric(benchmark, str(metric), str(best))
        for metric, best in ranking.dropna(subset=["baseline"])
        .groupby("metric", sort=False)["baseline"]
        .first()
        .items()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _of_metric(benchmark: Benchmark, metric: str, best: str) -> pd.DataFrame:
    found = comparable(benchmark.scores, metric)
    wide = found.scores.pivot_table(index=CONDITION, columns="model", values=metric, observed=True, sort=False)
    if CEILING not in wide:
        return pd.DataFrame()
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    wide = sign * wide
    # The correlation of no change is undefined, and as informative as 0
    unchanged = wide[UNCHANGED].fillna(0.0) if UNCHANGED in wide else pd.Series(0.0, index=wide.index)
    regime = regime_of(wide[best], wide[CEILING], unchanged)
    rows = []
    for name in REGIMES:
        own = wide[regime == name]
        for model in found.models:
            better = own[model] > own[best]
            difference = sign * (own[model] - own[best]).mean() if len(own) else np.nan
            rows.append(
                {"data": benchmark.data, "scheme": benchmark.scheme, "metric": metric, "regime": name, "model": model}
                | {"baseline": best, "n_conditions": len(own), "n_wins": int(better.sum()), "difference": difference}
            )
    return pd.DataFrame(rows)


def regime_of(baseline: pd.Series, replicate: pd.Series, unchanged: pd.Series) -> NDArray[np.object_]:
    """Regime of each condition, from scores that are better if higher; an empty text if one is missing."""
    choices = [
        (baseline.isna() | replicate.isna(), ""),
        (replicate <= unchanged, REGIMES[0]),
        (baseline >= replicate, REGIMES[1]),
        (baseline <= unchanged, REGIMES[3]),
    ]
    found = np.select([np.asarray(is_so) for is_so, _ in choices], [name for _, name in choices], default=REGIMES[2])
    return np.asarray(found, dtype=object)
