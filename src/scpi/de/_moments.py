from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scpi._screen._expression import check_stored_values
from scpi.de._sums import sum_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Moments:
    """Size, mean and variance of every group in every column."""

    size: NDArray[np.intp]
    """Rows of each group."""
    mean: NDArray[np.float64]
    """Means, groups x columns."""
    variance: NDArray[np.float64]
    """Variances with `size - 1` in the denominator, groups x columns; NaN for a group of one row."""


def group_moments(values: ArrayLike, codes: ArrayLike, *, n_groups: int | None = None) -> Moments:
    """Compute means and variances of groups of rows, from sums and sums of squares in one pass over the rows.

    Sums are in float64, and dense columns are shifted by a constant, so that a large mean does not cancel a small
    variance. Sparse input stays sparse. Dense input, and data that is not in memory, is read block by block.

    Parameters
    ----------
    values
        Rows x columns, dense or sparse, in memory, in a file or a dask array.
    codes
        Group of each row: 0, 1, ...; rows with a negative code are excluded.
    n_groups
        Number of groups; if `None`, as many as in the codes.

    Returns
    -------
    The moments. A group without rows has mean NaN.

    Raises
    ------
    ValueError
        If the shapes do not fit, a code is not below ``n_groups``, or a value is not finite.

    Examples
    --------
    >>> from scpi.de import group_moments
    >>> moments = group_moments([[1.0], [3.0], [5.0]], [0, 0, 1])
    >>> moments.mean.ravel().tolist(), moments.variance[0].tolist()
    ([2.0, 5.0], [2.0])
    """
    matrix, groups = check_stored_values(values), np.asarray(codes)
    n_rows = matrix.shape[0]
    if groups.shape != (n_rows,):
        msg = f"`codes` must have one value for each of the {n_rows} rows, but has shape {groups.shape}."
        raise ValueError(msg)
    rows = np.flatnonzero(groups >= 0)
    if n_groups is None:
        n_groups = int(groups.max(initial=-1)) + 1
    size = np.bincount(groups[rows], minlength=n_groups)
    if len(size) > n_groups:
        msg = f"`codes` has the code {len(size) - 1}, but `n_groups` is {n_groups}: codes are 0 to {n_groups - 1}."
        raise ValueError(msg)
    sums = sum_rows(matrix, groups.astype(np.intp), n_groups, squares=True)
    n = size[:, None].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums.total / n
        residual = sums.squares - sums.total * mean
        # Rounding errors of equal values are not variance
        residual[residual <= sums.squares * np.finfo(np.float64).eps * n] = 0.0
        variance = np.where(n > 1, residual / (n - 1.0), np.nan)
    return Moments(size=size, mean=mean + sums.shift, variance=variance)


def other_moments(moments: Moments, reference: int | None) -> Moments:
    """Moments of the comparison group of each group: the reference, or all other groups together if `None`."""
    if reference is not None:
        rows = np.full(len(moments.size), reference)
        return Moments(size=moments.size[rows], mean=moments.mean[rows], variance=moments.variance[rows])
    size = moments.size[:, None].astype(np.float64)
    n_other = size.sum() - size
    # Around the overall mean, so that a large mean does not cancel a small variance
    center = (size * moments.mean).sum(axis=0) / size.sum()
    mean = moments.mean - center
    squares = np.where(size > 1, (size - 1.0) * moments.variance, 0.0) + size * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_other = -size * mean / n_other
        residual = squares.sum(axis=0) - squares - n_other * mean_other**2
        residual[residual <= squares.sum(axis=0) * np.finfo(np.float64).eps * len(size)] = 0.0
        variance = np.where(n_other > 1, residual / (n_other - 1.0), np.nan)
    return Moments(size=n_other.ravel().astype(np.intp), mean=mean_other + center, variance=variance)
