"""Gains of predictions over their baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._scoring._metrics import LOWER_IS_BETTER, METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ALL = "all"
"""Name of the mean over metrics."""
TOLERANCE = 0.05
"""Fraction of the distance from the baseline to the best possible score up to which there is no gain."""


def gains(
    table: pd.DataFrame,
    metrics: Sequence[str],
    ways: Sequence[str],
    *,
    baselines: Sequence[str],
    tops: Sequence[str],
    pair_by: Sequence[str],
    n_bootstrap: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Compare ways with the best baseline of each metric, paired by condition.

    ``tops`` are the models that serve as upper bounds. The mean over metrics averages the differences in units of the
    distance from the baseline to the best upper bound, each clipped to between -1 and 1. Metrics in which no upper
    bound beats the baseline are excluded. An undefined correlation is 0.
    """
    rows: dict[str, list[dict[str, object]]] = {way: [] for way in ways}
    units: dict[str, list[pd.Series]] = {way: [] for way in ways}
    for metric in metrics:
        sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
        wide = table.groupby([*pair_by, "model"], observed=True, dropna=False)[metric].mean().unstack("model")
        wide = wide.reindex(columns=[*baselines, *tops, *ways]).astype(np.float64)
        if metric in METRICS and METRICS[metric].is_correlation:
            # A prediction without a direction, such as no change, has correlation 0
            wide[[*baselines, *ways]] = wide[[*baselines, *ways]].fillna(0.0)
        mean = wide.mean()
        known = [name for name in baselines if np.isfinite(mean[name])]
        baseline = max(known, key=lambda name: sign * mean[name], default=None)
        of_baseline = wide[baseline] if baseline else wide[baselines[0]]
        room = max((sign * (mean[top] - of_baseline.mean()) for top in tops if np.isfinite(mean[top])), default=np.nan)
        room = room if room > 0 else np.nan
        draws = rng.integers(len(wide), size=(n_bootstrap, len(wide)))
        for way in ways:
            difference = sign * (wide[way] - of_baseline)
            rows[way].append(
                {"way": way, "metric": metric, "baseline": baseline or ""}
                | {"mean": mean[way], "baseline_mean": of_baseline.mean()}
                | _gain(difference.to_numpy(), draws, room)
            )
            if np.isfinite(room):
                units[way].append((difference / room).clip(-1.0, 1.0))
    draws = rng.integers(max(len(wide), 1), size=(n_bootstrap, max(len(wide), 1)))
    for way in ways:
        overall = pd.concat(units[way], axis=1).mean(axis=1).to_numpy() if units[way] else np.full(len(wide), np.nan)
        found = _gain(overall, draws, 1.0)
        whole = {"way": way, "metric": ALL, "baseline": "", "mean": found["gain"], "baseline_mean": 0.0}
        rows[way].insert(0, whole | found)
    return pd.DataFrame([row for way in ways for row in rows[way]])


def _gain(difference: NDArray[np.float64], draws: NDArray[np.int64], room: float) -> dict[str, object]:
    """Mean difference with its 95 % percentile interval, fraction of the possible gain, and whether it is a gain."""
    valid = np.isfinite(difference)
    if not valid.any():
        return {"n": 0, **dict.fromkeys(("gain", "low", "high", "scaled"), np.nan), "is_above": False}
    drawn = np.where(valid, difference, 0.0)[draws].sum(1) / np.maximum(valid[draws].sum(1), 1)
    low, high = np.quantile(drawn[valid[draws].any(1)], [0.025, 0.975])
    gain = float(difference[valid].mean())
    is_small = gain / room < TOLERANCE
    return {
        "n": int(valid.sum()),
        "gain": gain,
        "low": float(low),
        "high": float(high),
        "scaled": gain / room,
        "is_above": bool(low > 0 and not is_small),
    }
