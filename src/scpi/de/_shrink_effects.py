from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from scpi.de._shrink_fold_changes import SCALES, check_values, first_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Levels at which the base is looked for, and steps to find them
_N_STARTS, _N_CLIMB = 6, 10
# Points of the quadrature around each level, in its standard deviations: close together in the middle
_GRID = np.sinh(np.linspace(-3.0, 3.0, 17)) / 1.5
# Further points around the estimates themselves, in their standard errors: a group that has the level makes a peak there
_PEAK = np.array([-2.5, -1.5, -0.7, 0.0, 0.7, 1.5, 2.5])
# Points whose weight is below this do not matter; a density that is not zero
_NEGLIGIBLE, _TINY = 1e-5, 1e-300
# Exponent beyond which a component does not matter
_FAR = 60.0
# Estimates from which the prior is learned; columns if there are many groups, as far as memory allows
_N_VALUES, _FEWEST_COLUMNS, _MOST_VALUES = 2000, 200, 40_000
# Choices of the points while it is learned, and when weights have settled
_N_ROUNDS, _TOLERANCE = 2, 3e-4


@dataclass(frozen=True, kw_only=True)
class ShrunkenEffects:
    """Posterior of the effects of groups relative to a common baseline."""

    base: NDArray[np.float64]
    """Posterior mean of the common baseline of each column."""
    effect: NDArray[np.float64]
    """Posterior mean of the effects, groups x columns."""
    std_dev: NDArray[np.float64]
    """Posterior standard deviation of the effects, groups x columns."""
    probability: NDArray[np.float64]
    """Posterior probability that an effect is not zero, groups x columns."""
    false_sign_rate: NDArray[np.float64]
    """Posterior probability that an effect does not have its more probable sign (local false sign rate)."""
    scales: NDArray[np.float64]
    """Standard deviations of the components of the prior."""
    weights: NDArray[np.float64]
    """Weights of the components, learned from all groups and columns."""


def shrink_effects(
    estimate: ArrayLike, std_error: ArrayLike, *, scales: ArrayLike = SCALES, max_iter: int = 60
) -> ShrunkenEffects:
    r"""Shrink differences between groups towards a baseline that most of them share.

    The estimate of group :math:`k` in column :math:`g` is

    .. math:: y_{kg} = b_g + f_{kg} + s_{kg} \epsilon, \qquad f_{kg} \sim \sum_m w_m \mathcal{N}(0, \tau_m^2),

    with a flat prior on the baseline :math:`b_g`, and :math:`\tau_0 = 0`: most groups do not differ. The weights
    :math:`w` are learned by maximum marginal likelihood (empirical Bayes), and :math:`b_g` is integrated out by
    quadrature. If most groups agree, the posterior shows which groups differ; with only two groups, the effect is split
    between both. This is adaptive shrinkage (Stephens, Biostatistics 18, 2017) with an unknown baseline.

    Parameters
    ----------
    estimate
        Groups x columns, such as the logarithms of mean counts.
    std_error
        Standard errors of the estimates, of the same shape, above zero.
    scales
        Standard deviations :math:`\tau` of the components of the prior, the first 0.
    max_iter
        Maximum number of iterations for learning the weights.

    Returns
    -------
    Posterior means and probabilities.

    Raises
    ------
    ValueError
        If shapes differ, there are fewer than two groups, a value is not finite or a standard error is not above zero.

    Examples
    --------
    >>> from scpi.de import shrink_effects
    >>> shrunken = shrink_effects([[0.0, 0.01], [0.02, 0.0], [3.0, 0.0]], [[0.1, 0.1]] * 3)
    >>> [round(float(value)) for value in shrunken.effect[:, 0]]
    [0, 0, 3]
    """
    # Each layout in memory is compiled for by itself, which takes seconds
    y, s = np.ascontiguousarray(estimate, dtype=np.float64), np.ascontiguousarray(std_error, dtype=np.float64)
    tau = np.asarray(scales, dtype=np.float64)
    _check(y, s, tau)
    variance = s**2
    weights = _learn_weights(y, variance, tau, max_iter)
    # Components without weight cost as much as others
    kept = np.append(0, 1 + np.flatnonzero(weights[1:] > _NEGLIGIBLE))
    kept = kept if len(kept) > 1 else np.array([0, len(tau) - 1])
    prior = tau[kept] ** 2, weights[kept]
    points, log_weight = _points(y, variance, *prior, _GRID, _PEAK)
    base, effect, square, null, above = _posterior(y, variance, *prior, points, log_weight)
    return ShrunkenEffects(
        base=base,
        effect=effect,
        std_dev=np.sqrt(np.maximum(square - effect**2, 0.0)),
        probability=1.0 - null,
        false_sign_rate=np.maximum(1.0 - np.maximum(above, 1.0 - null - above), 0.0),
        scales=tau,
        weights=weights,
    )


def _check(y: NDArray[np.float64], s: NDArray[np.float64], tau: NDArray[np.float64]) -> None:
    if y.ndim != 2 or y.shape != s.shape or y.shape[0] < 2:
        msg = (
            "`estimate` and `std_error` must be matrices of at least two groups and the same columns, but have shapes "
            f"{y.shape} and {s.shape}."
        )
        raise ValueError(msg)
    check_values(y, s, tau)


def _learn_weights(
    y: NDArray[np.float64], variance: NDArray[np.float64], tau: NDArray[np.float64], max_iter: int
) -> NDArray[np.float64]:
    """Expectation and maximisation, on columns spread over all of them."""
    n_columns = max(_N_VALUES // len(y), min(_FEWEST_COLUMNS, _MOST_VALUES // len(y)), 1)
    columns = np.unique(np.linspace(0, y.shape[1] - 1, min(n_columns, y.shape[1])).astype(np.intp))
    y, variance = np.ascontiguousarray(y[:, columns]), np.ascontiguousarray(variance[:, columns])
    weights = first_weights(len(tau))
    spread = variance.T[:, None, :, None] + tau**2
    # The points follow the weights; between two choices of points no density has to be computed again
    for _ in range(_N_ROUNDS):
        points, log_weight = _points(y, variance, tau**2, weights, _GRID[::2].copy(), _PEAK[1::2].copy())
        used = np.isfinite(log_weight).any(axis=0)
        points, log_weight = points[:, used], log_weight[:, used]
        squared = (y.T[:, None, :, None] - points[:, :, None, None]) ** 2
        density = np.exp(-0.5 * squared / spread) / np.sqrt(spread)
        weights = _climb_weights(density, log_weight, weights, max_iter)
    return weights


def _climb_weights(
    density: NDArray[np.float64], log_weight: NDArray[np.float64], weights: NDArray[np.float64], max_iter: int
) -> NDArray[np.float64]:
    """Weights of the components, from densities of columns x points x groups x components."""
    shape, flat = density.shape[:-1], np.ascontiguousarray(density).reshape(-1, len(weights))
    for _ in range(max_iter):
        mixed = (flat @ weights).reshape(shape) + _TINY
        log_point = np.log(mixed).sum(axis=2) + log_weight
        point = np.exp(log_point - log_point.max(axis=1, keepdims=True))
        point /= point.sum(axis=1, keepdims=True)
        counted = weights * ((point[:, :, None] / mixed).ravel() @ flat)
        # One observation for the spike: a data set without any effect keeps the weights of large ones at zero
        counted[0] += 1.0
        new = counted / counted.sum()
        if np.abs(new - weights).max() < _TOLERANCE:
            return np.asarray(new)
        weights = new
    return weights


@njit(nogil=True, cache=True)
def _points(y, variance, tau2, weights, grid, peak):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Points of the quadrature over the level of each column, and the logarithms of their weights."""
    n_groups, n_columns = y.shape
    n_components, n_grid, n_peak = len(tau2), len(grid), len(peak)
    n_starts = min(n_groups, _N_STARTS)
    points = np.zeros((n_columns, n_starts * (n_grid + n_peak)))
    log_weight = np.full((n_columns, n_starts * (n_grid + n_peak)), -np.inf)
    centre, width = np.zeros(n_starts), np.zeros(n_starts)
    half, height = np.zeros((n_groups, n_components)), np.zeros((n_groups, n_components))
    density = np.zeros(n_components)
    for g in range(n_columns):
        for k in range(n_groups):
            for m in range(n_components):
                v = variance[k, g] + tau2[m]
                half[k, m] = 0.5 / v
                height[k, m] = weights[m] / math.sqrt(v)
        order = np.argsort(y[:, g])
        # Climb to the levels that are likely, from groups spread over the range
        n_levels = 0
        for i in range(n_starts):
            level, precision = y[order[(2 * i + 1) * n_groups // (2 * n_starts)], g], 0.0
            for _ in range(_N_CLIMB):
                precision, moment = 0.0, 0.0
                for k in range(n_groups):
                    total, squared = 0.0, (y[k, g] - level) ** 2
                    for m in range(n_components):
                        density[m] = height[k, m] * math.exp(-squared * half[k, m])
                        total += density[m]
                    if total > 0.0:
                        for m in range(n_components):
                            p = 2.0 * half[k, m] * density[m] / total
                            precision += p
                            moment += p * y[k, g]
                new = moment / precision
                done = abs(new - level) < 0.01 / math.sqrt(precision)
                level = new
                if done:
                    break
            known = False
            for other in range(n_levels):
                known = known or abs(level - centre[other]) < 0.2 * width[other]
            if not known:
                centre[n_levels], width[n_levels] = level, 1.0 / math.sqrt(precision)
                n_levels += 1
        # Trapezoids between the points around all of the levels
        n_points = n_levels * n_grid + n_starts * n_peak
        for i in range(n_levels):
            for j in range(n_grid):
                points[g, i * n_grid + j] = centre[i] + width[i] * grid[j]
        for i in range(n_starts):
            k = order[(2 * i + 1) * n_groups // (2 * n_starts)]
            for j in range(n_peak):
                points[g, n_levels * n_grid + i * n_peak + j] = y[k, g] + math.sqrt(variance[k, g]) * peak[j]
        points[g, :n_points] = np.sort(points[g, :n_points])
        for at in range(n_points):
            last, first = points[g, min(at + 1, n_points - 1)], points[g, max(at - 1, 0)]
            if last > first:
                log_weight[g, at] = math.log(last - first)
    return points, log_weight


@njit(nogil=True, cache=True)
def _posterior(y, variance, tau2, weights, points, log_weight):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Posterior means, mean squares and probabilities of zero and above, column by column."""
    n_groups, n_columns = y.shape
    n_components, n_points = len(tau2), points.shape[1]
    base = np.zeros(n_columns)
    effect, square = np.zeros((n_groups, n_columns)), np.zeros((n_groups, n_columns))
    null, above = np.zeros((n_groups, n_columns)), np.zeros((n_groups, n_columns))
    half, height = np.zeros((n_groups, n_components)), np.zeros((n_groups, n_components))
    shrunken, own = np.zeros((n_groups, n_components)), np.zeros((n_groups, n_components))
    log_density, share = np.zeros(n_points), np.zeros(n_components)
    for g in range(n_columns):
        for k in range(n_groups):
            for m in range(n_components):
                v = variance[k, g] + tau2[m]
                half[k, m] = 0.5 / v
                height[k, m] = weights[m] / math.sqrt(v)
                shrunken[k, m] = tau2[m] / v
                own[k, m] = shrunken[k, m] * variance[k, g]
        for at in range(n_points):
            log_density[at] = log_weight[g, at]
            if log_density[at] == -np.inf:
                continue
            for k in range(n_groups):
                total, squared = 0.0, (y[k, g] - points[g, at]) ** 2
                for m in range(n_components):
                    if squared * half[k, m] < _FAR:
                        total += height[k, m] * math.exp(-squared * half[k, m])
                log_density[at] += math.log(total + _TINY)
        largest = log_density.max()
        normaliser = np.exp(log_density - largest).sum()
        for at in range(n_points):
            p = math.exp(log_density[at] - largest) / normaliser
            if p < _NEGLIGIBLE:
                continue
            base[g] += p * points[g, at]
            for k in range(n_groups):
                distance, total = y[k, g] - points[g, at], 0.0
                for m in range(n_components):
                    share[m] = height[k, m] * math.exp(-(distance**2) * half[k, m])
                    total += share[m]
                for m in range(n_components):
                    # Where every component is too far off, the widest has it
                    r = p * share[m] / total if total > 0.0 else (p if m == n_components - 1 else 0.0)
                    mean = shrunken[k, m] * distance
                    effect[k, g] += r * mean
                    square[k, g] += r * (mean**2 + own[k, m])
                    if m == 0:
                        null[k, g] += r
                    elif r > _NEGLIGIBLE:
                        above[k, g] += r * 0.5 * math.erfc(-mean / math.sqrt(2.0 * own[k, m]))
    return base, effect, square, null, above
