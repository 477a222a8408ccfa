"""Shrinkage of overdispersion towards the trend over mean expression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_N_KNOTS = 30
_N_ROUNDS = 8
# On the scale of the natural logarithm of the mean
_BANDWIDTH = 0.5
# Genes further than this from the trend, in standard deviations, neither affect it nor are shrunk to it
_FAR = 3.0
# Median of the square of a standard normal
_MEDIAN_SQUARE = 0.4549
# A coefficient of variation of one; larger values come from outliers that the trend should not follow
_LARGEST_SPREAD = 1.0
_FEW = 20


def shrink_to_trend(
    estimate: NDArray[np.float64],
    mean: NDArray[np.float64],
    sampling_variance: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Shrink estimates towards their trend over the mean, the more the less precise they are.

    Around the trend t, the true values are assumed to have the variance spread t^2, and the estimates the additional
    variance `sampling_variance(t)`. The best linear predictor weights estimate and trend by the inverse of these. A
    gene that is clearly more dispersed than the trend keeps its estimate.

    Parameters
    ----------
    estimate
        Of each gene; NaN where there is none.
    mean
        Mean expression of each gene.
    sampling_variance
        Variance of the estimates at a given overdispersion of each gene.

    Returns
    -------
    Overdispersion of each gene, not negative.
    """
    trend, spread = _fit(estimate, mean, sampling_variance)
    prior, noise = spread * trend**2, sampling_variance(trend)
    told = np.isfinite(estimate) & np.isfinite(noise)
    share = np.divide(prior, prior + noise, out=np.zeros_like(prior), where=told & (prior > 0))
    own = sampling_variance(np.maximum(np.where(told, estimate, 0.0), 0.0))
    share[told & (estimate - trend > _FAR * np.sqrt(own + prior))] = 1.0
    return np.maximum(trend + share * np.where(told, estimate - trend, 0.0), 0.0)


def _fit(
    estimate: NDArray[np.float64],
    mean: NDArray[np.float64],
    sampling_variance: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], float]:
    """Trend at every gene, and the squared coefficient of variation of the true values around it."""
    x = np.log(np.maximum(mean, np.finfo(np.float64).tiny))
    noise = sampling_variance(np.zeros_like(estimate))
    used = np.flatnonzero(np.isfinite(estimate) & np.isfinite(noise))
    if len(used) == 0:
        return np.zeros_like(estimate), 0.0
    knots = np.unique(np.quantile(x[used], np.linspace(0.0, 1.0, _N_KNOTS)))
    kernel = np.exp(-0.5 * ((x[used] - knots[:, None]) / _BANDWIDTH) ** 2)
    # From the median, which is robust to markers of rare types, to the mean of the genes near it: estimates of genes
    # with few counts are unbiased in the mean, but not in the median
    line, spread = _weighted_median(estimate[used], kernel / noise[used]), _LARGEST_SPREAD
    trend = np.maximum(np.interp(x, knots, line), 0.0)
    for _ in range(_N_ROUNDS):
        noise, square = sampling_variance(trend)[used], trend[used] ** 2
        distance = (estimate[used] - trend[used]) ** 2
        spread = _spread(distance, noise, square)
        variance = noise + spread * square
        weights = kernel * (distance <= _FAR**2 * variance) / variance
        line = (weights @ estimate[used]) / np.maximum(weights.sum(axis=1), np.finfo(np.float64).tiny)
        trend = np.maximum(np.interp(x, knots, line), 0.0)
    return trend, spread


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the values under each row of weights."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[:, order], axis=1)
    first = (cumulative >= cumulative[:, -1:] / 2.0).argmax(axis=1)
    return np.asarray(values[order][first])


def _spread(squares: NDArray[np.float64], noise: NDArray[np.float64], scale: NDArray[np.float64]) -> float:
    """Variance, in units of `scale`, that explains the squared deviations beyond the noise; found by bisection.

    It uses the most informative genes: if noise dominates, the deviations are skewed and the median is uninformative.
    """
    telling = np.flatnonzero(noise <= scale)
    if len(telling) < _FEW:
        telling = np.argsort(noise, kind="stable")[: max(_FEW, len(noise) // 5)]
    squares, noise, scale = squares[telling], noise[telling], scale[telling]
    low, high = 0.0, _LARGEST_SPREAD
    for _ in range(30):
        middle = (low + high) / 2.0
        if np.median(squares / (noise + middle * scale)) > _MEDIAN_SQUARE:
            low = middle
        else:
            high = middle
    return low
