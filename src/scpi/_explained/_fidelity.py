"""What a model loses without the parts that an explanation names, and without others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi._explained._explanation import Explanation

_STEPS = (1, 2, 5, 10)
_N_RANDOM = 10


def deletion_curve(
    explanation: Explanation, kind: str, order: NDArray[np.intp], rng: np.random.Generator
) -> pd.DataFrame:
    """Fraction of the special change that is lost without the first parts of an order, and without as many others.

    One row for each of 1, 2, 5 and 10 parts of which there are fewer than all: ``n_removed``, ``lost``, and the mean and
    standard deviation of what is lost without parts that are drawn at random (``lost_random``, ``lost_random_sd``). The fraction
    is that of the projection on the change: 0 where all of it remains, and 1 where nothing does.
    """
    whole = explanation.without(kind, order[:0])
    squared = float(whole @ whole)
    steps = [n for n in _STEPS if n < len(order)] if squared > 0 else []
    rows = []
    for n in steps:
        random = [_lost(explanation, kind, rng.permutation(order)[:n], whole) for _ in range(_N_RANDOM)]
        first = _lost(explanation, kind, order[:n], whole)
        rows.append((n, first, float(np.mean(random)), float(np.std(random, ddof=1))))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    table = pd.DataFrame(dict(zip(("n_removed", "lost", "lost_random", "lost_random_sd"), columns, strict=True)))
    return table.astype({"n_removed": np.int64})


def _lost(explanation: Explanation, kind: str, places: NDArray[np.intp], whole: NDArray[np.float64]) -> float:
    left = explanation.without(kind, places)
    return 1.0 - float(left @ whole) / float(whole @ whole)
