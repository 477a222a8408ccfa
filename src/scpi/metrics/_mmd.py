"""Maximum mean discrepancy with a sum of Gaussian kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_samples, centred, distance_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray


def multi_kernel_bandwidths(base: float, n_kernels: int = 10) -> NDArray[np.float64]:
    """Compute bandwidths that double from one kernel to the next, around a base.

    Parameters
    ----------
    base
        Central bandwidth, in units of squared distance.
    n_kernels
        Number of bandwidths.

    Returns
    -------
    `n_kernels` bandwidths in ascending order, ``base / 2**(n_kernels // 2) * 2**i``.

    Raises
    ------
    ValueError
        If `base` is not a positive number or `n_kernels` is below 1.
    """
    if not (np.isfinite(base) and base > 0):
        msg = f"The base bandwidth must be a positive number, but is {base}."
        raise ValueError(msg)
    if n_kernels < 1:
        msg = f"`n_kernels` must be at least 1, but is {n_kernels}."
        raise ValueError(msg)
    exponents = np.arange(n_kernels, dtype=np.float64) - n_kernels // 2
    return np.asarray(base * 2.0**exponents, dtype=np.float64)


def _mean_squared_distance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Mean squared distance over the ordered pairs of distinct rows of the pooled, already centred sample."""
    n = len(x) + len(y)
    # sum_ij |a_i - a_j|^2 = 2 n sum_i |a_i - mean|^2, so that no distances are needed
    return float(2.0 * (np.sum(x * x) + np.sum(y * y)) / (n - 1))


def _resolve_bandwidths(
    bandwidths: Sequence[float] | NDArray[np.float64] | None,
    base_bandwidth: float | None,
    n_kernels: int,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> NDArray[np.float64]:
    if bandwidths is not None:
        if base_bandwidth is not None:
            msg = "Give either `bandwidths` or `base_bandwidth`, not both."
            raise ValueError(msg)
        given = np.sort(np.asarray(bandwidths, dtype=np.float64).ravel())
        if given.size == 0 or not (np.isfinite(given).all() and (given > 0).all()):
            msg = f"`bandwidths` must be positive numbers, but are {bandwidths}."
            raise ValueError(msg)
        return given
    if base_bandwidth is None:
        base_bandwidth = _mean_squared_distance(x, y)
        if base_bandwidth == 0:
            # All rows are the same point: every kernel is 1 for any width
            base_bandwidth = 1.0
    return multi_kernel_bandwidths(base_bandwidth, n_kernels)


def _kernel_sum(blocks: Iterable[tuple[NDArray[np.float64], float]], bandwidths: NDArray[np.float64]) -> float:
    """Sum of the multi-kernel over all pairs in the blocks; `bandwidths` ascending."""
    total = 0.0
    for distances, weight in blocks:
        kernel = np.exp(distances / -bandwidths[-1])
        subtotal = kernel.sum()
        for wider, bandwidth in zip(bandwidths[:0:-1], bandwidths[-2::-1], strict=True):
            if wider == 2.0 * bandwidth:
                # Half the bandwidth is the square of the kernel, much cheaper than another exponential
                np.square(kernel, out=kernel)
            else:
                np.divide(distances, -bandwidth, out=kernel)
                np.exp(kernel, out=kernel)
            subtotal += kernel.sum()
        total += weight * subtotal
    return float(total)


def mmd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    bandwidths: Sequence[float] | NDArray[np.float64] | None = None,
    base_bandwidth: float | None = None,
    n_kernels: int = 10,
    unbiased: bool = True,
    block_size: int = 1024,
) -> float:
    r"""Compute the squared maximum mean discrepancy of two samples (Gretton et al., J. Mach. Learn. Res. 13, 2012).

    The kernel is a sum of Gaussians,
    :math:`k(a, b) = \sum_i \exp(-\lVert a - b\rVert^2 / h_i)`.

    Parameters
    ----------
    x, y
        The samples, observations x features. The numbers of observations may differ.
    bandwidths
        The :math:`h_i`, in units of squared distance.
    base_bandwidth
        Central value of `n_kernels` bandwidths that double from one to the next, see
        :func:`scpi.metrics.multi_kernel_bandwidths`. If `None` (and without `bandwidths`), the mean squared distance
        between distinct observations of the pooled sample. Use the same base for values that are to be compared.
    n_kernels
        Number of Gaussians.
    unbiased
        Whether to exclude the kernel of each observation with itself (a U-statistic). The expected value is then zero
        if both samples have the same distribution, and single values may be negative. Otherwise, the V-statistic, which
        is never negative. For two samples of size `n` from the same distribution, its expected value is
        :math:`(2/n)(m - \bar\kappa)`, where `m` is the number of kernels and :math:`\bar\kappa` the mean kernel between
        distinct observations. Values of different sample sizes are then not comparable.
    block_size
        Number of observations in a block of distances: memory is `block_size` squared times 16 bytes.

    Returns
    -------
    The squared discrepancy.

    Raises
    ------
    ValueError
        If the samples have different features, NaN or infinite values, or fewer than two observations (one for the
        biased form).

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.metrics import mmd
    >>> x, y = np.zeros((2, 1)), np.ones((2, 1))
    >>> round(mmd(x, y, bandwidths=[1.0]), 6)
    1.264241
    """
    first, second = centred(*as_samples(x, y, min_rows=2 if unbiased else 1))
    widths = _resolve_bandwidths(bandwidths, base_bandwidth, n_kernels, first, second)
    n, m = len(first), len(second)
    within_x = _kernel_sum(distance_blocks(first, block_size=block_size), widths)
    within_y = _kernel_sum(distance_blocks(second, block_size=block_size), widths)
    between = _kernel_sum(distance_blocks(first, second, block_size=block_size), widths) / (n * m)
    if not unbiased:
        return within_x / n**2 + within_y / m**2 - 2.0 * between
    # The diagonal is one per kernel and observation
    n_diagonal = len(widths)
    return (within_x - n * n_diagonal) / (n * (n - 1)) + (within_y - m * n_diagonal) / (m * (m - 1)) - 2.0 * between
