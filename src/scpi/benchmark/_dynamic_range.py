"""Dynamic range of metrics on given data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._scoring._bounds import NEGATIVE, POSITIVE
from scpi._scoring._metrics import LOWER_IS_BETTER, NAMES, perfect_value
from scpi._sequence import as_list
from scpi.metrics import bound_discrimination, dynamic_range_fraction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CONDITION = ("split", "context", "perturbation", "dose")


def dynamic_range(table: pd.DataFrame, *, by: Sequence[str] | str = ("data", "scheme")) -> pd.DataFrame:
    """Compare the scores of a replicate and of an uninformed prediction, to find informative metrics.

    The bounds are rows of the tables of grids. The positive bound is one half of the measured cells as a prediction of
    the other half; in metrics of means, it is blended with the other conditions for genes that do not differ. The
    negative bound is a prediction from the other perturbed conditions of the training cells. Both are scored against
    the same half of the cells, and averaged over seeds before the comparison in each condition.

    Parameters
    ----------
    table
        Result of :func:`scpi.benchmark.grid.collect`.
    by
        Columns to stratify by.

    Returns
    -------
    Table with one row per metric and value of ``by``: ``metric``, ``n`` (conditions with both bounds), ``positive`` and ``negative``
    (means of the bounds), ``drf`` and ``drf_median`` (:func:`scpi.metrics.dynamic_range_fraction`, mean and median over
    conditions), and ``bds`` (bound discrimination score: fraction of the conditions in which the replicate is better).
    NaN where no condition has both bounds.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If the table has no rows of bounds.
    """
    by = as_list(by)
    missing = [name for name in ("model", *by) if name not in table]
    if missing:
        msg = f"The table has no column {missing}, only {list(table.columns)}."
        raise KeyError(msg)
    keys = [*by, *(name for name in _CONDITION if name in table and name not in by)]
    metrics = [name for name in NAMES if name in table]
    of_bound = {
        bound: table[table["model"] == bound].groupby(keys, observed=True, sort=False)[metrics].mean()
        for bound in (POSITIVE, NEGATIVE)
    }
    positive, negative = of_bound[POSITIVE].align(of_bound[NEGATIVE], join="inner")
    if not len(positive):
        msg = f"The table has no rows of {POSITIVE!r} and {NEGATIVE!r}: tables of grids with `ceiling: true` have them."
        raise ValueError(msg)
    rows = []
    groups = positive.groupby(by, observed=True, sort=False).indices if by else {(): np.arange(len(positive))}
    for value, places in groups.items():
        of_group = dict(zip(by, value if isinstance(value, tuple) else (value,), strict=True))
        for metric in metrics:
            high, low = (bound[metric].to_numpy(np.float64)[places] for bound in (positive, negative))
            higher = metric not in LOWER_IS_BETTER
            fraction = dynamic_range_fraction(high, low, perfect=perfect_value(metric), higher_is_better=higher)
            wins = bound_discrimination(high, low, higher_is_better=higher)
            both = np.isfinite(high) & np.isfinite(low)
            rows.append(
                of_group
                | {"metric": metric, "n": int(both.sum()), "positive": _mean(high[both]), "negative": _mean(low[both])}
                | {"drf": _mean(fraction), "drf_median": _mean(fraction, np.median), "bds": _mean(wins)}
            )
    return pd.DataFrame(rows)


def _mean(values: float | np.ndarray, average: Callable[..., np.floating] = np.mean) -> float:
    """Average of the finite values; NaN if there are none."""
    own = np.asarray(values)[np.isfinite(values)]
    return float(average(own)) if len(own) else float("nan")
