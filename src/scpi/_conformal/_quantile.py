"""Quantiles of scores that hold for one more of the same kind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDING = 1e-9


def check_level(level: float) -> float:
    """A level between 0 and 1; a `ValueError` says if it is not."""
    if not 0 < level < 1:
        msg = f"`interval` is the fraction of conditions to cover, between 0 and 1 (such as 0.9), but is {level}."
        raise ValueError(msg)
    return float(level)


def fewest(level: float) -> int:
    """Number of exchangeable scores that an interval of this level needs: with fewer it would be infinite."""
    return max(1, math.ceil(level / (1.0 - level) - _ROUNDING))


def check_number(n: int, level: float, what: str, label: str) -> None:
    """There must be as many scores, of ``what`` was left out, as an interval of a ``label`` at this level needs."""
    if n >= fewest(level):
        return
    largest = f" Of so few the largest possible is {n / (n + 1):.3g}." if n else ""
    msg = f"`interval={level:g}` of {label!r} needs {fewest(level)} {what} that were left out, but {n} were.{largest}"
    raise ValueError(msg)


def group_quantile(scores: NDArray[np.float64], groups: NDArray[np.intp], level: float) -> NDArray[np.float64]:
    """Quantile of the scores of each column that a score of one more group is below with a probability of ``level``.

    ``scores`` are rows x columns, and ``groups`` the group of each row. Groups are exchangeable and count once; rows of a group
    share its weight. With one row per group, n groups and continuous scores, the probability is exactly
    ceil((n + 1) level) / (n + 1). It is infinite with fewer than :func:`fewest` groups.
    """
    _, group = np.unique(groups, return_inverse=True)
    size = np.bincount(group)
    weight = 1.0 / size[group]
    order = np.argsort(scores, axis=0, kind="stable")
    reached = np.cumsum(weight[order], axis=0) >= level * (len(size) + 1) - _ROUNDING
    place = reached.argmax(axis=0)
    found = np.take_along_axis(scores, np.take_along_axis(order, place[None], axis=0), axis=0)[0]
    return np.where(reached[-1], found, np.inf)
