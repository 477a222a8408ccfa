from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def lowess(x: NDArray[np.float64], y: NDArray[np.float64], *, span: float, n_robust: int = 3) -> NDArray[np.float64]:
    """Smooth `y` along `x` by robust local lines, and give the curve at each `x`.

    The algorithm of Cleveland (J. Am. Stat. Assoc. 74, 1979; program "lowess" of netlib): points that are closer to
    the last fitted one than a hundredth of the range of `x` are interpolated. That of statsmodels differs from R's by
    up to 1e-8, which is why the method has a second implementation here.
    """
    order = np.argsort(x, kind="stable")
    smoothed = np.empty(len(x))
    smoothed[order] = _lowess_sorted(x[order], y[order], span, n_robust)
    return smoothed


def _lowess_sorted(x: NDArray[np.float64], y: NDArray[np.float64], span: float, n_robust: int) -> NDArray[np.float64]:
    n = len(x)
    if n < 2:
        return y.copy()
    extent = x[-1] - x[0]
    n_near = max(2, min(n, int(span * n + 1e-7)))
    kernels = [(i, *_kernel(x, i, left, n_near)) for i, left in _fitted_points(x, n_near, 0.01 * extent)]
    at = np.array([kernel[0] for kernel in kernels])
    robust = np.ones(n)
    curve = y
    for step in range(n_robust + 1):
        fitted = np.array([_local_line(x, y, robust, extent, kernel) for kernel in kernels])
        # Points of equal x follow one fitted point, so that interpolation in x is interpolation between points
        curve = np.interp(x, x[at], fitted)
        if step == n_robust:
            break
        residual = np.abs(y - curve)
        middle = np.sort(residual)
        scale = 3.0 * (middle[n // 2] + middle[n - 1 - n // 2])
        if scale <= 1e-7 * residual.mean():
            break
        robust = np.where(residual <= 0.001 * scale, 1.0, (1.0 - (residual / scale) ** 2) ** 2)
        robust[residual > 0.999 * scale] = 0.0
    return curve


def _fitted_points(x: NDArray[np.float64], n_near: int, delta: float) -> list[tuple[int, int]]:
    """Points at which a line is fitted, each with the first of its nearest points."""
    n = len(x)
    points: list[tuple[int, int]] = []
    i = left = 0
    while True:
        while left + n_near < n and x[i] - x[left] > x[left + n_near] - x[i]:
            left += 1
        points.append((i, left))
        last = int(np.searchsorted(x, x[i], side="right")) - 1
        if last >= n - 1:
            return points
        # The last point within delta, or the next one if there is none
        i = max(last + 1, int(np.searchsorted(x, x[i] + delta, side="right")) - 1)


def _kernel(x: NDArray[np.float64], i: int, left: int, n_near: int) -> tuple[slice, NDArray[np.float64]]:
    """Points that a line is fitted to, and their tricube weights."""
    radius = max(x[i] - x[left], x[left + n_near - 1] - x[i])
    # Points at the very distance of the farthest are ties of it
    stop = int(np.searchsorted(x, x[i] + radius, side="right"))
    near = slice(left, max(stop, left + n_near))
    distance = np.abs(x[near] - x[i])
    weight = np.ones(len(distance)) if radius == 0 else (1.0 - (distance / radius) ** 3) ** 3
    weight[distance <= 0.001 * radius] = 1.0
    weight[distance > 0.999 * radius] = 0.0
    return near, weight


def _local_line(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    robust: NDArray[np.float64],
    extent: float,
    kernel: tuple[int, slice, NDArray[np.float64]],
) -> float:
    i, near, tricube = kernel
    weight = tricube * robust[near]
    total = weight.sum()
    if total <= 0:
        return float(y[i])
    weight /= total
    mean = weight @ x[near]
    deviation = x[near] - mean
    spread = weight @ deviation**2
    if np.sqrt(spread) > 0.001 * extent:
        weight *= 1.0 + (x[i] - mean) * deviation / spread
    return float(weight @ y[near])
