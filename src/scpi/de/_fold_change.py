from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._groups import other_mean
from scpi._screen._matrix import as_matrix, is_stored
from scpi.de._sums import sum_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def fold_changes(
    values: ArrayLike,
    codes: ArrayLike,
    *,
    reference: int | None,
    log_base: float | None = None,
    pseudocount: float = 0.01,
    n_jobs: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute log2 ratios of the mean counts of groups of cells to those of the reference.

    Means are computed on the scale of counts, even if the values are logarithms, as the difference between means of
    logarithms is not a log fold change.

    Parameters
    ----------
    values
        Cells x genes, dense or sparse, in memory or not, non-negative: normalised counts, or their logarithm.
    codes
        Group of each cell: 0, 1, ...; cells with a negative code are excluded.
    reference
        Code of the reference; each group is compared with all other cells if `None`.
    log_base
        Base of the logarithm of one plus the counts, or `None` if the values are not logarithms.
    pseudocount
        Added to both means, so that the fold change of a gene without counts on one side is finite.
    n_jobs
        Number of threads.

    Returns
    -------
    Log2 fold changes, and the averages of the two log means, groups x genes.

    Examples
    --------
    >>> from scpi.de import fold_changes
    >>> fold, average = fold_changes([[2.0, 0.0], [2.0, 4.0], [8.0, 1.0]], [0, 0, 1], reference=0, pseudocount=0)
    >>> fold[1].tolist()
    [2.0, -1.0]
    """
    groups = np.asarray(codes, dtype=np.intp)
    n_groups = int(groups.max(initial=-1)) + 1
    mean = mean_counts(
        values if is_stored(values) else as_matrix(values), groups, n_groups, log_base=log_base, n_jobs=n_jobs
    )
    size = np.bincount(groups[groups >= 0], minlength=n_groups)
    return log2_fold_changes(mean, size, reference=reference, pseudocount=pseudocount)


def mean_counts(
    values: Any, codes: NDArray[np.intp], n_groups: int, *, log_base: float | None, n_jobs: int = 1
) -> NDArray[np.float64]:
    """Means of groups of rows on the scale of counts, groups x columns.

    Parameters
    ----------
    values
        Rows x columns of any kind, non-negative.
    codes
        Group of each row; rows with a negative code are excluded.
    n_groups
        Number of groups.
    log_base
        Base of the logarithm of one plus the value, or `None` if the values are not logarithms.
    n_jobs
        Number of threads.
    """
    size = np.bincount(codes[codes >= 0], minlength=n_groups)[:, None]
    transform = None if log_base is None else partial(_expm1, base=log_base)
    return sum_rows(values, codes, n_groups, transform=transform, n_jobs=n_jobs).total / size


def log2_fold_changes(
    mean: NDArray[np.float64], size: NDArray[np.intp], *, reference: int | None, pseudocount: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log2 ratio of the mean of each group to that of the reference or all other rows, and the mean of both logs."""
    other = other_mean(mean, size, reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_group, of_other = np.log2(mean + pseudocount), np.log2(other + pseudocount)
        return of_group - of_other, (of_group + of_other) / 2.0


def _expm1(data: NDArray[Any], base: float) -> NDArray[Any]:
    return np.asarray(np.expm1(data if base == np.e else data * np.asarray(np.log(base), dtype=data.dtype)))
