"""Local regression of points of unequal weight, as the trend of variances of unequal degrees of freedom needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_N_FITS = 4
# Points up to which the curve is fitted at each of them; of more, at some that are this fraction of the range apart
_ALL_POINTS = 200
_APART = 0.01


def weighted_lowess_curve(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64], *, span: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a robust local line, whose neighbourhoods have the same total weight instead of the same number of points.

    Parameters
    ----------
    x, y
        Points.
    weights
        How much each counts, positive.
    span
        Fraction of the total weight in a neighbourhood.

    Returns
    -------
    Corners of the curve from left to right, and its heights there.
    """
    order = np.argsort(x, kind="stable")
    x, y, weights = x[order], y[order], weights[order]
    seeds = _seeds(x)
    windows = [_window(x, weights, seed, span * weights.sum()) for seed in seeds]
    robust = np.ones(len(x))
    heights = np.empty(len(seeds))
    for _ in range(_N_FITS):
        for i, (seed, (window, reach)) in enumerate(zip(seeds, windows, strict=True)):
            distance = np.abs(x[window] - x[seed]) / reach if reach > 0 else np.zeros(window.stop - window.start)
            heights[i] = _line(x[window], y[window], (1 - distance**3) ** 3 * (weights * robust)[window], x[seed])
        residual = np.abs(y - np.interp(x, x[seeds], heights))
        scale = 6.0 * _median(residual, weights)
        if scale <= 0:
            break
        robust = np.where(residual < scale, (1.0 - (residual / scale) ** 2) ** 2, 0.0)
    return x[seeds], heights


def _seeds(x: NDArray[np.float64]) -> list[int]:
    """Points at which the curve is fitted, each value once, the first and the last included."""
    apart = 0.0 if len(x) <= _ALL_POINTS else _APART * (x[-1] - x[0])
    seeds = [0]
    for i in range(1, len(x)):
        if x[i] > x[seeds[-1]] and x[i] - x[seeds[-1]] >= apart:
            seeds.append(i)
    last = len(x) - 1
    return seeds if x[seeds[-1]] == x[last] else [*seeds, last]


def _window(x: NDArray[np.float64], weights: NDArray[np.float64], seed: int, wanted: float) -> tuple[slice, float]:
    """Nearest points of the wanted weight, with those as far away as the last, and how far that is."""
    low = high = seed
    total, reach, last = weights[seed], 0.0, len(x) - 1
    while total < wanted and (low > 0 or high < last):
        left = x[seed] - x[low - 1] if low > 0 else np.inf
        right = x[high + 1] - x[seed] if high < last else np.inf
        if left <= right:
            low -= 1
            total += weights[low]
        else:
            high += 1
            total += weights[high]
        reach = max(reach, min(left, right))
    low = int(np.searchsorted(x, x[seed] - reach, side="left"))
    high = int(np.searchsorted(x, x[seed] + reach, side="right"))
    return slice(min(low, seed), max(high, seed + 1)), float(reach)


def _line(x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64], at: float) -> float:
    """Height of the weighted regression line at a point."""
    weights = np.maximum(weights, 0.0)
    total = weights.sum()
    if total <= 0:
        return float(y.mean())
    middle, height = weights @ x / total, weights @ y / total
    spread = weights @ (x - middle) ** 2
    # Points that are all at one place have no slope
    if spread <= 1e-14 * total * max(1.0, float(middle**2)):
        return float(height)
    return float(height + (weights * (x - middle)) @ y / spread * (at - middle))


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Weighted median."""
    order = np.argsort(values, kind="stable")
    cumulative, half = np.cumsum(weights[order]), weights.sum() / 2.0
    place = int(np.searchsorted(cumulative, half))
    if cumulative[place] == half and place + 1 < len(values):
        return float((values[order[place]] + values[order[place + 1]]) / 2.0)
    return float(values[order[place]])
