from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi.de._sums import sum_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of a block of dense values
_BLOCK_ROWS = 1 << 13


def mean_counts(
    values: Any, codes: NDArray[np.intp], n_groups: int, *, log_base: float | None, n_jobs: int = 1
) -> NDArray[np.float64]:
    """Means of groups of rows on the scale of counts, groups x columns.

    Parameters
    ----------
    values
        Rows x columns, dense or CSR, not negative.
    codes
        Group of each row; rows with a negative code are left out.
    n_groups
        Number of groups.
    log_base
        Base of the logarithm of one plus the value, or `None` where the values are no logarithms.
    n_jobs
        Threads to use.
    """
    size = np.bincount(codes[codes >= 0], minlength=n_groups)[:, None]
    if sparse.issparse(values):
        transform = None if log_base is None else partial(_expm1, base=log_base)
        (total,) = sum_rows(values, codes, n_groups, transform=transform, n_jobs=n_jobs)
        return total / size
    total = np.zeros((n_groups, values.shape[1]))
    for start in range(0, values.shape[0], _BLOCK_ROWS):
        block, groups = values[start : start + _BLOCK_ROWS], codes[start : start + _BLOCK_ROWS]
        rows = np.flatnonzero(groups >= 0)
        member = sparse.csr_matrix((np.ones(len(rows)), (groups[rows], rows)), shape=(n_groups, len(block)))
        total += member @ (block if log_base is None else _expm1(block, log_base))
    return total / size


def log2_fold_changes(
    mean: NDArray[np.float64], size: NDArray[np.intp], *, reference: int | None, pseudocount: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log2 ratio of the mean of each group to that of the reference or all other rows, and the average of the two logs."""
    other = other_mean(mean, size, reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_group, of_other = np.log2(mean + pseudocount), np.log2(other + pseudocount)
        return of_group - of_other, (of_group + of_other) / 2.0


def other_mean(mean: NDArray[np.float64], size: NDArray[np.intp], reference: int | None) -> NDArray[np.float64]:
    """Mean of what each group is compared with: the reference, or all other groups together if `None`."""
    if reference is not None:
        return np.broadcast_to(mean[reference], mean.shape)
    total = size[:, None] * mean
    # Summed over the others one by one: a total less a group of most of it would keep nothing
    others = np.stack([np.delete(total, k, axis=0).sum(axis=0) for k in range(len(mean))])
    return np.asarray(others / (size.sum() - size)[:, None])


def _expm1(data: NDArray[Any], base: float) -> NDArray[Any]:
    return np.asarray(np.expm1(data if base == np.e else data * np.asarray(np.log(base), dtype=data.dtype)))
