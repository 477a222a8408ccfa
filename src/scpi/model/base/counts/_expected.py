"""Expected level of counts that are thinned or added, where the level of a cell is log1p of its scaled count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_N_TERMS = 128
_NOTHING = 1e-5


def thinned_level(counts: Floats, unit: Floats, kept: Floats) -> Floats:
    """Expectation of log1p(unit * x), x being how many of a positive count are kept with a probability."""
    p = np.clip(kept, 0.0, 1.0 - 1e-9)
    odds, mean = p / (1.0 - p), counts * p
    return _expected(
        np.exp(counts * np.log1p(-p)),
        lambda j, left: odds[left] * (counts[left] - j) / (j + 1.0),
        mean=mean,
        variance=mean * (1.0 - p),
        unit=unit,
        counts=np.zeros(len(counts)),
    )


def raised_level(counts: Floats, unit: Floats, mean: Floats, size: Floats) -> Floats:
    """Expectation of log1p(unit * (count + x)), x being negative binomial with a mean and a size."""
    q = mean / (mean + size)
    return _expected(
        np.exp(-size * np.log1p(mean / size)),
        lambda j, left: q[left] * (size[left] + j) / (j + 1.0),
        mean=mean,
        variance=mean + mean**2 / size,
        unit=unit,
        counts=counts,
    )


def _expected(
    zero: Floats,
    ratio: Callable[[float, NDArray[np.intp]], Floats],
    *,
    mean: Floats,
    variance: Floats,
    unit: Floats,
    counts: Floats,
) -> Floats:
    """Expectation of log1p(unit * (count + x)), from the probability of x = 0 and the ratio of each to the one before.

    The first terms are summed; the rest of the distribution enters by its mean and variance.
    """
    result = zero * np.log1p(unit * counts)
    left, term = np.arange(len(zero)), zero
    rest, first, second = 1.0 - zero, mean.copy(), variance + mean**2
    for j in range(1, _N_TERMS + 1):
        going = rest[left] > _NOTHING
        if not going.any():
            break
        left = left[going]
        term = term[going] * ratio(j - 1.0, left)
        result[left] += term * np.log1p(unit[left] * (counts[left] + j))
        rest[left] -= term
        first[left] -= j * term
        second[left] -= j**2 * term
    left = np.flatnonzero(rest > _NOTHING)
    rest, beyond = rest[left], first[left] / rest[left]
    spread = np.maximum(second[left] / rest - beyond**2, 0.0)
    scaled = 1.0 + unit[left] * (counts[left] + beyond)
    result[left] += rest * (np.log(scaled) - 0.5 * spread * (unit[left] / scaled) ** 2)
    return result
