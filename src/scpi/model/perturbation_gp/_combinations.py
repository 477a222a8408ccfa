"""By how much the effect of a combination is less, or more, than the sum of the effects of its members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from scpi.model.base.effects._regression import member_effects

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Combinations of measured members that the power is learned from, at least
_FEWEST = 5
_BOUNDS = (-1.5, 0.5)


def learn_power(design: NDArray[np.float64], changes: NDArray[np.float64], n_cells: NDArray[np.int64]) -> float:
    """Power of the number of members by which sums of single effects are multiplied to be nearest to combinations.

    ``design`` holds the doses in each condition, conditions x perturbations, and ``changes`` is conditions x genes. It is 0,
    which leaves the sum as it is, with fewer than five combinations of members that were measured alone.
    """
    n_members = (design != 0).sum(axis=1)
    single = n_members == 1
    alone = design[single].any(axis=0)
    combined = np.flatnonzero((n_members > 1) & ~(design[:, ~alone] != 0).any(axis=1))
    if len(combined) < _FEWEST:
        return 0.0
    sums = design[combined] @ member_effects(design[single], changes[single], n_cells[single])
    along = n_cells[combined] * (sums * changes[combined]).sum(axis=1)
    squared = n_cells[combined] * np.square(sums).sum(axis=1)
    levels = np.log(n_members[combined])

    def error(power: float) -> float:
        factors = np.exp(power * levels)
        return float(factors**2 @ squared - 2.0 * factors @ along)

    return float(minimize_scalar(error, bounds=_BOUNDS, method="bounded").x)


def scale_members(design: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Doses, in the last axis of an array, times a power of the number of members of their condition."""
    n_members = np.maximum((design != 0).sum(axis=-1, keepdims=True), 1)
    return np.asarray(design * n_members**power)
