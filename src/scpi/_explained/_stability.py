"""Whether models of other seeds make a change of the same parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi._explained._explanation import Parts

    Floats = NDArray[np.float64]


def part_stability(parts: Parts, others: Sequence[Parts], *, by_name: bool) -> Floats:
    """Mean cosine of what each part adds to the change with what it adds in other models; NaN without any.

    Parts have the same ``name`` in all models, or are matched one to one so that the cosines are as large as can be. A part that
    another model does not have counts as 0 there.
    """
    if not others:
        return np.full(len(parts.names), np.nan)
    found = []
    for other in others:
        cosines = _cosines(parts.contributions, other.contributions)
        if by_name:
            place = {name: row for row, name in enumerate(other.names)}
            columns = np.array([place.get(name, -1) for name in parts.names], dtype=np.intp)
            rows = np.flatnonzero(columns >= 0)
            columns = columns[rows]
        else:
            rows, columns = linear_sum_assignment(-cosines)
        one = np.zeros(len(parts.names))
        one[rows] = cosines[rows, columns]
        found.append(one)
    return np.asarray(np.mean(found, axis=0))


def sign_stability(change: Floats, others: Sequence[Floats]) -> Floats:
    """Fraction of other models in which each gene changes in the same direction; NaN without any."""
    if not others:
        return np.full(len(change), np.nan)
    return np.asarray(np.mean([np.sign(other) == np.sign(change) for other in others], axis=0))


def _cosines(first: Floats, second: Floats) -> Floats:
    return _unit(first) @ _unit(second).T


def _unit(rows: Floats) -> Floats:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
