from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse, special

from scpi.de._comparison import Comparison, check_groups, check_values
from scpi.de._moments import group_moments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def wilcoxon(values: ArrayLike, codes: ArrayLike, *, reference: int, continuity: bool = True) -> Comparison:
    """Rank-sum test (Wilcoxon, Mann-Whitney) of every group against the reference, in every column.

    The null hypothesis is that the values of group and reference come from one distribution. The statistic is the
    normal approximation with the correction for ties, as `scipy.stats.mannwhitneyu(method="asymptotic")` has it. The
    reference is sorted once for all groups.

    Parameters
    ----------
    values
        Rows x columns, dense or sparse.
    codes
        Group of each row: 0, 1, ...; rows with a negative code are left out.
    reference
        Code of the reference.
    continuity
        Move the statistic by one half towards its expectation, as a normal approximation of a count calls for.

    Returns
    -------
    Effect (difference of the means), z and p-value, groups x columns. The row of the reference itself is zero, with
    p = 1. So is z where all values are equal.

    Raises
    ------
    ValueError
        If a group has no rows, the shapes do not fit or a value is not finite.

    Examples
    --------
    >>> from scpi.de import wilcoxon
    >>> result = wilcoxon([[1.0], [2.0], [3.0], [5.0], [6.0], [7.0]], [0, 0, 0, 1, 1, 1], reference=0)
    >>> round(float(result.score[1, 0]), 6), round(float(result.pval[1, 0]), 6)
    (1.745743, 0.080856)
    """
    matrix = check_values(values)
    groups, n_groups = check_groups(matrix.shape[0], codes, reference, 1)
    moments = group_moments(matrix, groups, n_groups=n_groups)
    columns: Any = matrix.tocsc() if sparse.issparse(matrix) else matrix
    in_reference, others = np.flatnonzero(groups == reference), np.flatnonzero((groups >= 0) & (groups != reference))
    codes_others = groups[others]
    u, ties = np.zeros_like(moments.mean), np.zeros_like(moments.mean)
    for column in range(matrix.shape[1]):
        x = columns[:, column]
        x = x.toarray().ravel() if sparse.issparse(x) else x
        u[:, column], ties[:, column] = _u_and_ties(np.sort(x[in_reference]), x[others], codes_others, n_groups)
    n, n_reference = moments.size[:, None].astype(np.float64), float(moments.size[reference])
    n_both = n + n_reference
    variance = n * n_reference / 12.0 * ((n_both + 1.0) - ties / (n_both * np.maximum(n_both - 1.0, 1.0)))
    # Rounding leaves a little of the variance of equal values
    defined = variance > 1e-9 * n * n_reference
    defined[reference] = False
    deviation = u - n * n_reference / 2.0
    if continuity:
        deviation = np.sign(deviation) * np.maximum(np.abs(deviation) - 0.5, 0.0)
    score = np.where(defined, deviation / np.sqrt(np.where(defined, variance, 1.0)), 0.0)
    log_pval = np.minimum(np.log(2.0) + special.log_ndtr(-np.abs(score)), 0.0)
    return Comparison(effect=moments.mean - moments.mean[reference], score=score, log_pval=log_pval)


def _u_and_ties(
    reference: NDArray[Any], x: NDArray[Any], codes: NDArray[np.intp], n_groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mann-Whitney U of each group in one column, and the sum of t^3 - t over its ties with the sorted reference."""
    order = np.lexsort((x, codes))
    x, codes = x[order], codes[order]
    below, upto = np.searchsorted(reference, x, "left"), np.searchsorted(reference, x, "right")
    u = np.bincount(codes, weights=(below + upto) / 2.0, minlength=n_groups).astype(np.float64)

    def cube(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return t**3 - t

    lengths = np.diff(np.flatnonzero(np.r_[True, reference[1:] != reference[:-1], True])).astype(np.float64)
    # Runs of one value within one group, and how often the reference has that value
    starts = np.flatnonzero(np.r_[True, (x[1:] != x[:-1]) | (codes[1:] != codes[:-1])]) if len(x) else np.zeros(0, int)
    in_group = np.diff(np.r_[starts, len(x)]).astype(np.float64)
    in_reference = (upto - below)[starts].astype(np.float64)
    added = cube(in_group + in_reference) - cube(in_reference)
    return u, cube(lengths).sum() + np.bincount(codes[starts], weights=added, minlength=n_groups)
