from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def false_discovery_control(
    pval: ArrayLike, *, axis: int | None = -1, method: Literal["bh", "by"] = "bh"
) -> NDArray[np.float64]:
    """Adjust p-values to control the false discovery rate.

    Parameters
    ----------
    pval
        P-values; NaN for tests that were not made.
    axis
        Axis of the tests of one family, such as the columns of groups x columns for one family per group. If `None`,
        all p-values are one family.
    method
        "bh" (Benjamini and Hochberg, J. R. Stat. Soc. B 57, 1995) or "by" (Benjamini and Yekutieli, Ann. Stat. 29,
        2001), which holds under any dependence.

    Returns
    -------
    Adjusted p-values in the same shape. NaN stays NaN and does not count as a test.

    Raises
    ------
    ValueError
        If a p-value is outside of 0 to 1, or the method is unknown.

    Examples
    --------
    >>> from scpi.de import false_discovery_control
    >>> false_discovery_control([0.01, 0.5, 0.02]).round(3).tolist()
    [0.03, 0.5, 0.03]
    """
    array = np.asarray(pval, dtype=np.float64)
    tested = ~np.isnan(array)
    if tested.all():
        # SciPy flattens the p-values of one family
        return np.asarray(stats.false_discovery_control(array, axis=axis, method=method)).reshape(array.shape)
    if axis is None:
        adjusted = np.full(array.shape, np.nan)
        adjusted[tested] = stats.false_discovery_control(array[tested], method=method)
        return adjusted
    return np.apply_along_axis(lambda row: false_discovery_control(row, axis=None, method=method), axis, array)


def adjust_pvals(pval: NDArray[np.float64], method: str, scope: str) -> NDArray[np.float64]:
    """Adjust p-values for multiple testing, by the arguments `corr_method` and `corr_scope` of functions.

    Parameters
    ----------
    pval
        Groups x genes; NaN for tests that were not made.
    method
        "benjamini-hochberg" or "bonferroni".
    scope
        "group" if the genes of each group are a family of their own, or "all".

    Returns
    -------
    Adjusted p-values in the same shape.
    """
    if method == "bonferroni":
        n_tests = (~np.isnan(pval)).sum(axis=None if scope == "all" else 1, keepdims=True)
        return np.minimum(pval * n_tests, 1.0)
    return false_discovery_control(pval, axis=None if scope == "all" else -1)
