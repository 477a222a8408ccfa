"""Quantiles of scores that cover one further exchangeable score."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDING = 1e-9


def check_level(level: float) -> float:
    """Check that a level is between 0 and 1."""
    if not 0 < level < 1:
        msg = f"`interval` is the fraction of conditions to cover, between 0 and 1 (such as 0.9), but is {level}."
        raise ValueError(msg)
    return float(level)


def fewest(level: float) -> int:
    """Minimum number of exchangeable scores for an interval of this level; with fewer it would be infinite."""
    return max(1, math.ceil(level / (1.0 - level) - _ROUNDING))


def check_number(n: int, level: float, what: str, label: str) -> None:
    """Check that the number of held-out ``what`` suffices for an interval of a ``label`` at this level."""
    if n >= fewest(level):
        return
    largest = f" The largest possible interval is {n / (n + 1):.3g}." if n else ""
    msg = f"`interval={level:g}` of {label!r} needs {fewest(level)} held-out {what}, but there are {n}.{largest}"
    raise ValueError(msg)


def group_quantile(scores: NDArray[np.float64], groups: NDArray[np.intp], level: float) -> NDArray[np.float64]:
    """Quantile of the scores of each column that exceeds the score of one further group with a probability of ``level``.

    ``scores`` are rows x columns, and ``groups`` the group of each row. Groups are exchangeable and have equal weights, which
    their rows share. With one row per group, n groups and continuous scores, the probability is exactly
    ceil((n + 1) level) / (n + 1). The quantile is infinite with fewer than :func:`fewest` groups.
    """
    _, group = np.unique(groups, return_inverse=True)
    size = np.bincount(group)
    weight = 1.0 / size[group]
    order = np.argsort(scores, axis=0, kind="stable")
    reached = np.cumsum(weight[order], axis=0) >= level * (len(size) + 1) - _ROUNDING
    place = reached.argmax(axis=0)
    found = np.take_along_axis(scores, np.take_along_axis(order, place[None], axis=0), axis=0)[0]
    return np.where(reached[-1], found, np.inf)
