"""Counts that are thinned or added, with draws that are spread evenly over the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from scipy import sparse

    Floats = NDArray[np.float64]

# Distributions with a larger mean are drawn from directly: their probability of 0 may be no number
_LARGE = 50.0
# No cell has so many molecules
_MOST = 1e9
# Terms of a distribution that are summed one by one; the few draws beyond are left to SciPy
_N_TERMS = 100


def thin(counts: Floats, kept: Floats, genes: NDArray[np.intp], rng: np.random.Generator) -> Floats:
    """Positive counts of which each is kept with a probability, a count, a probability and a gene for every entry.

    The draws of a gene are spread evenly over its entries, which follow each other: how many are kept varies less than
    in independent draws, while the count of each cell has its own binomial distribution.
    """
    quantile = _spread_within(genes, rng)
    large = counts * kept > _LARGE
    result = np.where(kept >= 1.0, counts, 0.0)
    result[large] = rng.binomial(counts[large].astype(np.int64), np.minimum(kept[large], 1.0))
    at = np.flatnonzero(~large & (kept > 0.0) & (kept < 1.0))
    k, p, quantile = counts[at], kept[at], quantile[at]
    result[at] = _inverted(
        np.exp(k * np.log1p(-p)),
        lambda j, left: p[left] / (1.0 - p[left]) * (k[left] - j) / (j + 1.0),
        quantile,
        lambda left: stats.binom.ppf(quantile[left], k[left], p[left]),
    )
    return result


def add(mean: Floats, size: Floats, rng: np.random.Generator) -> Floats:
    """Negative binomial counts of a mean and a size (the inverse overdispersion), genes x cells.

    The draws of a gene are spread evenly over the cells: their mean varies less than that of independent draws, while
    the count of each cell has its own distribution. A `ValueError` says if a mean is larger than counts can be.
    """
    largest = mean.max(initial=0.0)
    if not largest < _MOST:
        msg = (
            f"The model predicts a mean count of {largest:.3g}, which is too large to draw from: its training did not converge. "
            "Train it longer or with other settings, or predict means with `output='mean'`."
        )
        raise ValueError(msg)
    n_cells = mean.shape[1]
    quantile = (rng.random(mean.shape).argsort(axis=1) + rng.random(mean.shape)) / max(n_cells, 1)
    zero = np.exp(-size * np.log1p(mean / size))
    large = mean > _LARGE
    result = np.zeros(mean.shape)
    result[large] = rng.poisson(rng.gamma(size[large], mean[large] / size[large]))
    at = np.nonzero(~large & (quantile >= zero))
    size, mean, quantile, zero = size[at], mean[at], quantile[at], zero[at]
    q = mean / (mean + size)
    result[at] = _inverted(
        zero,
        lambda j, left: q[left] * (size[left] + j) / (j + 1.0),
        quantile,
        lambda left: stats.nbinom.ppf(quantile[left], size[left], 1.0 - q[left]),
    )
    return result


def within_totals(counts: sparse.csr_matrix, largest: NDArray[np.int64], rng: np.random.Generator) -> sparse.csr_matrix:
    """Counts of which cells with more than the largest total keep as many, drawn without replacement."""
    counts = counts.copy()
    totals = np.rint(np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()).astype(np.int64)
    for cell in np.flatnonzero(totals > largest):
        own = slice(counts.indptr[cell], counts.indptr[cell + 1])
        whole = counts.data[own].astype(np.int64)
        counts.data[own] = rng.multivariate_hypergeometric(whole, largest[cell], method="marginals")
    counts.eliminate_zeros()
    return counts


def _spread_within(groups: NDArray[np.intp], rng: np.random.Generator) -> Floats:
    """Random numbers in [0, 1), one in each of n equal intervals for the n members of a group, which are together."""
    n = len(groups)
    order = np.argsort(groups + rng.random(n))
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(starts, append=n)
    place = np.empty(n)
    place[order] = np.arange(n) - np.repeat(starts, sizes)
    return np.asarray((place + rng.random(n)) / np.repeat(sizes, sizes))


def _inverted(
    zero: Floats,
    ratio: Callable[[float, NDArray[np.intp]], Floats],
    quantile: Floats,
    beyond: Callable[[NDArray[np.intp]], Floats],
) -> Floats:
    """Smallest number up to which the sum of the probabilities exceeds each quantile.

    ``ratio`` gives the probability of j + 1 over that of j, from j and the places that are left.
    """
    result = np.zeros(len(quantile))
    left = np.flatnonzero(quantile >= zero)
    term, total = zero[left], zero[left]
    for j in range(_N_TERMS):
        if len(left) == 0:
            return result
        term = term * ratio(float(j), left)
        total = total + term
        more = quantile[left] >= total
        result[left[~more]] = j + 1
        left, term, total = left[more], term[more], total[more]
    result[left] = beyond(left)
    return result
