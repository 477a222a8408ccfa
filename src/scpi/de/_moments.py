from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._screen._checks import check_values
from scpi.de._sums import sum_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Memory of a block of rows in float64, twice (its values and their squares)
_BLOCK_BYTES = 2**25


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
    """Means and variances of groups of rows, from sums and sums of squares in one pass over the rows.

    Everything is summed in float64, and dense columns around a value of their own, so that a large mean does not
    drown a small variance. Sparse input stays sparse, and dense input is taken block by block.

    Parameters
    ----------
    values
        Rows x columns, dense or sparse.
    codes
        Group of each row: 0, 1, ...; rows with a negative code are left out.
    n_groups
        Number of groups; as many as the codes show if `None`.

    Returns
    -------
    The moments. A group without rows has mean NaN.

    Raises
    ------
    ValueError
        If the shapes do not fit or a value is not finite.

    Examples
    --------
    >>> from scpi.de import group_moments
    >>> moments = group_moments([[1.0], [3.0], [5.0]], [0, 0, 1])
    >>> moments.mean.ravel().tolist(), moments.variance[0].tolist()
    ([2.0, 5.0], [2.0])
    """
    matrix, groups = check_values(values), np.asarray(codes)
    n_rows, n_columns = matrix.shape
    if groups.shape != (n_rows,):
        msg = f"`codes` must have one value for each of the {n_rows} rows, but has shape {groups.shape}."
        raise ValueError(msg)
    rows = np.flatnonzero(groups >= 0)
    if n_groups is None:
        n_groups = int(groups.max(initial=-1)) + 1
    size = np.bincount(groups[rows], minlength=n_groups)
    shift = np.zeros(n_columns)
    if sparse.issparse(matrix):
        total, squares = sum_rows(matrix, groups.astype(np.intp), n_groups, squares=True)
    elif len(rows):
        # Zeros have to stay zeros in a sparse matrix, so only dense columns can be moved
        shift = matrix[rows[0]].astype(np.float64)
        total, squares = _sum_dense(matrix, groups, rows, n_groups, shift)
    else:
        total, squares = np.zeros((2, n_groups, n_columns))
    n = size[:, None].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        residual = squares - total * mean
        # What is left of equal values after rounding is no variance
        residual[residual <= squares * np.finfo(np.float64).eps * n] = 0.0
        variance = np.where(n > 1, residual / (n - 1.0), np.nan)
    return Moments(size=size, mean=mean + shift, variance=variance)


def _sum_dense(
    matrix: NDArray[Any], groups: NDArray[Any], rows: NDArray[np.intp], n_groups: int, shift: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of rows and of their squares, less a value of each column, block by block."""
    total, squares = np.zeros((2, n_groups, matrix.shape[1]))
    n_block = max(1, _BLOCK_BYTES // (8 * max(1, matrix.shape[1])))
    for start in range(0, len(rows), n_block):
        chosen = rows[start : start + n_block]
        block = matrix[chosen].astype(np.float64) - shift
        shape = (n_groups, len(chosen))
        member = sparse.csr_matrix((np.ones(len(chosen)), (groups[chosen], np.arange(len(chosen)))), shape=shape)
        total += member @ block
        squares += member @ np.square(block, out=block)
    return total, squares


def other_moments(moments: Moments, reference: int | None) -> Moments:
    """Moments of what each group is compared with: the reference, or all other groups together if `None`."""
    if reference is not None:
        rows = np.full(len(moments.size), reference)
        return Moments(size=moments.size[rows], mean=moments.mean[rows], variance=moments.variance[rows])
    size = moments.size[:, None].astype(np.float64)
    n_other = size.sum() - size
    # Around the overall mean, so that a large mean does not drown a small variance
    center = (size * moments.mean).sum(axis=0) / size.sum()
    mean = moments.mean - center
    squares = np.where(size > 1, (size - 1.0) * moments.variance, 0.0) + size * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_other = -size * mean / n_other
        residual = squares.sum(axis=0) - squares - n_other * mean_other**2
        residual[residual <= squares.sum(axis=0) * np.finfo(np.float64).eps * len(size)] = 0.0
        variance = np.where(n_other > 1, residual / (n_other - 1.0), np.nan)
    return Moments(size=n_other.ravel().astype(np.intp), mean=mean_other + center, variance=variance)
