"""Sampling noise of pseudobulk profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.polynomial.polynomial import polyval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TOTAL = 50_000.0
"""Sum that the summed counts of a condition are scaled to before the logarithm."""
# Fraction of all counts above which a cell is too large for the series below
_HEAVY = 0.5
_DIGITS = 53


def pooled_profile(sums: Floats) -> Floats:
    """Logarithms of summed counts scaled to 50,000, conditions x genes; zero where nothing was counted."""
    total = sums.sum(axis=-1, keepdims=True)
    return np.log1p(TOTAL * np.divide(sums, total, out=np.zeros_like(sums), where=total > 0))


def pooled_noise(counts: Any) -> float:
    r"""Jackknife variance of the profile of a condition, summed over genes.

    Each cell (row of CSR) is left out of the sum in turn. Without its counts :math:`y`, of :math:`l` in all, the profile of a gene with the sum :math:`P`
    changes by :math:`\log(1 - (l + T y) / A) - \log(1 - l / S)` with :math:`S` the sum of all counts and :math:`A = S + T P`. Where
    :math:`y = 0` this is a power series in :math:`S / A`, whose coefficients do not depend on the gene: only stored counts are visited.
    A single cell, and cells without a count, have no variance.
    """
    n = counts.shape[0]
    sums = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    total = sums.sum()
    if n < 2 or total <= 0:
        return 0.0
    size = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel() / total
    inverse = 1.0 / (1.0 + TOTAL * sums / total)
    heavy = size > _HEAVY
    first, second = _of_zeros(size[~heavy], inverse)
    light = counts[np.flatnonzero(~heavy)] if heavy.any() else counts
    more = _of_counts(light, size[~heavy], inverse, total)
    first, second = first + more[0], second + more[1]
    for row in np.flatnonzero(heavy):
        left = sums - np.asarray(counts[[row]].todense(), dtype=np.float64).ravel()
        change = pooled_profile(left) - pooled_profile(sums)
        first, second = first + change, second + change**2
    return max(float((second - first**2 / n).sum()) * (n - 1) / n, 0.0)


def _of_zeros(size: Floats, inverse: Floats) -> tuple[Floats, Floats]:
    """Sums over cells of the changes and of their squares in each gene, as if no cell had a count of it."""
    largest = size.max(initial=0.0)
    if largest == 0:
        return np.zeros_like(inverse), np.zeros_like(inverse)
    order = np.arange(1, int(np.ceil(_DIGITS * np.log(2.0) / -np.log(largest))) + 2, dtype=np.float64)
    own = np.log1p(-size)
    powers = size[:, None] ** order
    moments, crossed = powers.sum(axis=0), own @ powers
    harmonic = np.cumsum(1.0 / order) - 1.0 / order
    # Of log(1 - x) and its square
    first = polyval(inverse, np.r_[0.0, -moments / order])
    square = polyval(inverse, np.r_[0.0, 2.0 * harmonic * moments / order])
    both = polyval(inverse, np.r_[0.0, -crossed / order])
    return first - own.sum(), square - 2.0 * both + (own**2).sum()


def _of_counts(counts: Any, size: Floats, inverse: Floats, total: float) -> tuple[Floats, Floats]:
    """What the counts that are not zero add to both sums."""
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    own = np.log1p(-size)[rows]
    zero = np.log1p(-size[rows] * inverse[counts.indices]) - own
    with_count = np.log1p(-(size[rows] + TOTAL * counts.data / total) * inverse[counts.indices]) - own
    return tuple(  # type: ignore[return-value]
        np.bincount(counts.indices, weights=with_count**power - zero**power, minlength=len(inverse)) for power in (1, 2)
    )
