from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows of a block: few enough that sums in single precision keep six digits
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
    starts = range(0, values.shape[0], _BLOCK_ROWS)

    def block_sum(start: int) -> Any:
        block, groups = values[start : start + _BLOCK_ROWS], codes[start : start + _BLOCK_ROWS]
        rows = np.flatnonzero(groups >= 0)
        dtype = np.float32 if block.dtype == np.float32 else np.float64
        ones = np.ones(len(rows), dtype=dtype)
        member = sparse.csr_matrix((ones, (groups[rows], rows)), shape=(n_groups, block.shape[0]))
        if log_base is not None:
            block = _expm1(block, log_base)
        total = member @ block
        return total.toarray() if sparse.issparse(total) else total

    sums = np.zeros((n_groups, values.shape[1]))
    with ThreadPoolExecutor(n_jobs) as pool:
        # One block after the other is added, so that the result does not depend on the number of threads
        for part in pool.map(block_sum, starts):
            sums += part
    size = np.bincount(codes[codes >= 0], minlength=n_groups)
    return sums / size[:, None]


def log2_fold_changes(
    mean: NDArray[np.float64], size: NDArray[np.intp], *, reference: int | None, pseudocount: float
) -> NDArray[np.float64]:
    """Log2 ratio of the mean of each group to that of the reference, or of all other rows, groups x columns."""
    other = other_mean(mean, size, reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log2(mean + pseudocount) - np.log2(other + pseudocount))


def other_mean(mean: NDArray[np.float64], size: NDArray[np.intp], reference: int | None) -> NDArray[np.float64]:
    """Mean of what each group is compared with: the reference, or all other groups together if `None`."""
    if reference is not None:
        return np.broadcast_to(mean[reference], mean.shape)
    total = size[:, None] * mean
    return np.asarray(np.maximum(total.sum(axis=0) - total, 0.0) / (size.sum() - size)[:, None])


def _expm1(block: Any, base: float) -> Any:
    data = block.data if sparse.issparse(block) else block
    raised = np.expm1(data) if base == np.e else np.expm1(data * np.asarray(np.log(base), dtype=data.dtype))
    if not sparse.issparse(block):
        return raised
    return sparse.csr_matrix((raised, block.indices, block.indptr), shape=block.shape)
