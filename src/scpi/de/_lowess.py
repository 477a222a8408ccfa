from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def lowess(x: NDArray[np.float64], y: NDArray[np.float64], *, span: float, n_robust: int = 3) -> NDArray[np.float64]:
    """Smooth `y` along `x` by robust local lines, and give the curve at each `x`: see :func:`lowess_curve`."""
    return np.interp(x, *lowess_curve(x, y, span=span, n_robust=n_robust))


def lowess_curve(
    x: NDArray[np.float64], y: NDArray[np.float64], *, span: float, n_robust: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smooth `y` along `x` by robust local lines, and give the curve as its corners.

    The algorithm of Cleveland (J. Am. Stat. Assoc. 74, 1979; program "lowess" of netlib): points that are closer to
    the last fitted one than a hundredth of the range of `x` are interpolated. That of statsmodels differs from R's by
    up to 1e-8, which is why the method has a second implementation here.

    Parameters
    ----------
    x, y
        Points, in any order.
    span
        Fraction of the points that each line is fitted to.
    n_robust
        Times that points far from the curve are weighted down.

    Returns
    -------
    Ascending abscissae and heights of the corners, between which the curve is straight.
    """
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    n = len(x)
    extent = x[-1] - x[0]
    n_near = max(min(2, n), min(n, int(span * n + 1e-7)))
    kernels = [(i, *_kernel(x, i, left, n_near)) for i, left in _fitted_points(x, n_near, 0.01 * extent)]
    corners = x[[kernel[0] for kernel in kernels]]
    robust = np.ones(n)
    for step in range(n_robust + 1):
        heights = np.array([_local_line(x, y, robust, extent, kernel) for kernel in kernels])
        if step == n_robust:
            break
        residual = np.abs(y - np.interp(x, corners, heights))
        middle = np.sort(residual)
        scale = 3.0 * (middle[n // 2] + middle[n - 1 - n // 2])
        if scale <= 1e-7 * residual.mean():
            break
        robust = np.where(residual <= 0.001 * scale, 1.0, (1.0 - (residual / scale) ** 2) ** 2)
        robust[residual > 0.999 * scale] = 0.0
    return corners, heights


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
