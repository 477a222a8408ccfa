from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._screen._expression import check_stored_values
from scpi.de._moments import group_moments, other_moments
from scpi.de._student import two_sided_log_pval
from scpi.de._test_result import TestResult, check_groups
from scpi.de._tests._method import Cells, Method

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from scpi.de._moments import Moments


@fill
def welch(values: ArrayLike, codes: ArrayLike, *, reference: int | None) -> TestResult:
    """Test every group against the reference by Welch's t-test, in all columns at once.

    The null hypothesis is that group and reference have the same mean; their variances may differ (Welch, Biometrika
    34, 1947). Rows are assumed to be independent, which does not strictly hold for cells of the same sample.

    Parameters
    ----------
    %(rows_values)s

    Returns
    -------
    Effect (difference of the means), t and p-value, groups x columns. The row of the reference is zero, with p = 1. So
    is t if neither group nor reference varies, as there is no noise for a comparison.

    Raises
    ------
    ValueError
        If a group has fewer than two rows, the shapes do not match, or a value is not finite.

    Examples
    --------
    >>> from scpi.de import welch
    >>> result = welch([[1.0], [2.0], [3.0], [5.0], [6.0], [7.0]], [0, 0, 0, 1, 1, 1], reference=0)
    >>> round(float(result.score[1, 0]), 6), round(float(result.pval[1, 0]), 6)
    (4.898979, 0.00805)
    """
    matrix = check_stored_values(values)
    groups, n_groups = check_groups(matrix.shape[0], codes, reference, 2)
    moments = group_moments(matrix, groups, n_groups=n_groups)
    return compare_means(moments, other_moments(moments, reference), reference)


def compare_means(moments: Moments, other: Moments, reference: int | None) -> TestResult:
    """Welch's test from the moments of the groups and of their comparison groups."""
    effect = moments.mean - other.mean
    n, n_other = moments.size[:, None].astype(np.float64), other.size[:, None].astype(np.float64)
    error, error_other = moments.variance / n, other.variance / n_other
    squared = error + error_other
    defined = squared > 0
    if reference is not None:
        defined[reference] = False
    scale = np.where(defined, squared, 1.0)
    score = np.where(defined, effect / np.sqrt(scale), 0.0)
    # Fractions of the squared error keep the degrees of freedom away from underflow
    inverse_df = (error / scale) ** 2 / (n - 1.0) + (error_other / scale) ** 2 / (n_other - 1.0)
    df = 1.0 / np.where(defined, inverse_df, 1.0)
    log_pval = np.where(defined, two_sided_log_pval(score, df), 0.0)
    return TestResult(effect=effect, score=score, log_pval=log_pval)


def _test(cells: Cells) -> TestResult:
    return welch(cells.values, cells.codes, reference=cells.reference)


METHOD = Method(
    name="t-test",
    test=_test,
    takes="expression",
    null="Group and reference have the same mean; their variances may differ.",
    source="Welch, Biometrika 34, 1947",
)
