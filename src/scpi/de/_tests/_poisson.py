from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from scpi._docs import fill
from scpi._screen._expression import check_stored_counts
from scpi._slots import listed
from scpi.de._covariates import is_slope, read_covariates
from scpi.de._depth_sums import DepthSums, depth_sums
from scpi.de._overdispersion import check_size_factors
from scpi.de._test_result import TestResult, check_groups
from scpi.de._tests._method import Cells, Method

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Of the variance of Poisson counts: less is what rounding leaves of counts that do not vary
_NO_VARIANCE = 1e-9


@fill
def poisson(
    values: ArrayLike,
    codes: ArrayLike,
    *,
    reference: int | None,
    covariates: ArrayLike | pd.DataFrame | None = None,
    size_factors: ArrayLike | None = None,
) -> TestResult:
    r"""Test every group against the reference by Poisson regression with depth as offset, for any overdispersion.

    The expected count of a gene in a cell is its rate times the depth of the cell. The null hypothesis is that the rate
    is the same in group and reference. With the pooled rate :math:`p` and depths :math:`d_i`, the score is

    .. math:: U = \sum_{i \in \mathrm{group}} (x_i - p\,d_i),

    whose expectation is zero under the null hypothesis even if the groups differ in depth, as counts are neither
    divided by depth nor transformed. Its variance assumes that counts have the variance :math:`p\,d + \alpha (p\,d)^2`.
    The overdispersion :math:`\alpha` of each gene is estimated from the residuals by moments; if counts vary less than
    Poisson counts, the variance is scaled down. The statistic is the signed root of the deviance of the group's
    fraction of all counts, divided by the variance relative to Poisson counts. Unlike :math:`U` over its standard
    error, it is close to normal with few counts in a small group.

    All quantities follow from sums over the cells of each group, in one pass.

    Parameters
    ----------
    %(rows_values)s
    covariates
        Categories to compare within, rows x covariates: the rate may differ between their combinations, such as batches.
    size_factors
        Depth of each row, in any unit; the sum of its counts if `None`.

    Returns
    -------
    Effect (difference of the rates, in counts at the median depth), score and p-value, groups x columns. The row of the
    reference and columns without counts are zero, with p = 1.

    Raises
    ------
    ValueError
        If the values are not counts, a group has fewer than two rows, the shapes do not match, a covariate has more
        than two numbers, or a group and its reference have no counts in a combination of the covariates that both have.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import poisson
    >>> rng = np.random.default_rng(0)
    >>> depth, codes = np.repeat([1.0, 4.0], 200), np.repeat([0, 1], 200)
    >>> counts = rng.poisson(depth[:, None] * np.array([0.5, 1.0, 2.0]))
    >>> counts[codes == 1, 0] = rng.poisson(4.0, size=200)
    >>> int(poisson(counts, codes, reference=0).log_pval[1].argmin())
    0
    """
    matrix = check_stored_counts(values)
    n_rows = matrix.shape[0]
    groups, n_groups = check_groups(n_rows, codes, reference, 2)
    strata = _strata(covariates, n_rows)
    given = None if size_factors is None else check_size_factors(size_factors, matrix)
    n_strata = int(strata.max()) + 1
    parts = np.where(groups >= 0, groups * n_strata + strata, -1)
    found, depth = depth_sums(matrix, parts, n_groups * n_strata, depth=given)
    of_groups = found.split(n_groups)
    everything = sum(of_groups[1:], start=of_groups[0])
    effect, score = np.zeros((2, n_groups, matrix.shape[1]))
    for group, inside in enumerate(of_groups):
        if group != reference:
            outside = everything - inside if reference is None else of_groups[reference]
            if not (inside.depth[:, 0] * outside.depth[:, 0]).any():
                where = "" if n_strata == 1 else " in any combination of the covariates that both have"
                msg = f"Group {group}, or what it is compared with, has no counts{where}."
                raise ValueError(msg)
            effect[group], score[group] = _compare(inside, outside)
    log_pval = np.minimum(np.log(2.0) + special.log_ndtr(-np.abs(score)), 0.0)
    used = depth[groups >= 0]
    return TestResult(effect=effect * np.median(used[used > 0]), score=score, log_pval=log_pval)


def _strata(covariates: ArrayLike | pd.DataFrame | None, n_rows: int) -> NDArray[np.intp]:
    """Combination of the covariates of each row, as codes."""
    if covariates is None:
        return np.zeros(n_rows, dtype=np.intp)
    frame = covariates if isinstance(covariates, pd.DataFrame) else pd.DataFrame(np.asarray(covariates))
    if len(frame) != n_rows:
        msg = f"`covariates` must have one row for each of the {n_rows} rows, but has {len(frame)}."
        raise ValueError(msg)
    numbers = [str(name) for name in frame if is_slope(frame[name])]
    if numbers:
        msg = (
            f"The Poisson test compares within categories, but the covariates {listed(numbers)} are numbers: divide "
            "them into classes, or use 'logistic'."
        )
        raise ValueError(msg)
    codes = np.column_stack([pd.factorize(column)[0] for _, column in read_covariates(frame).items()])
    return np.asarray(np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1), dtype=np.intp)


def _compare(inside: DepthSums, outside: DepthSums) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Difference of the rates, and score, of each gene."""
    both = inside + outside
    d1, d2, d3 = (both.depth[:, [power]] for power in range(3))
    d1 = np.where(d1 > 0, d1, 1.0)
    rate, share = both.rate, inside.depth[:, [0]] / d1
    # Squared residuals, and their expectations at the estimated rate: Poisson part, and factor of the overdispersion
    residual = both.residual.sum(axis=0)
    expected = (rate * (d1 - d2 / d1)).sum(axis=0)
    of_overdispersion = (rate**2 * (d2 - 2.0 * d3 / d1 + d2**2 / d1**2)).sum(axis=0)
    base = (share * (1.0 - share) * both.total).sum(axis=0)
    squares = (1.0 - share) ** 2 * inside.depth[:, [1]] + share**2 * outside.depth[:, [1]]
    excess = residual - expected
    more = base + _ratio(excess, of_overdispersion) * (rate**2 * squares).sum(axis=0)
    variance = np.where(excess > 0, more, base * _ratio(residual, expected))
    # The counts of the group as a fraction of all; its binomial variance is corrected
    n, found = both.total.sum(axis=0), inside.total.sum(axis=0)
    mean = (share * both.total).sum(axis=0)
    binomial = mean * (1.0 - _ratio(mean, n))
    varies = variance > _NO_VARIANCE * binomial
    deviance = special.xlogy(found, _ratio(found, mean)) + special.xlogy(n - found, _ratio(n - found, n - mean))
    scale = _ratio(binomial, np.where(varies, variance, 0.0))
    score = np.sign(found - mean) * np.sqrt(2.0 * np.maximum(deviance, 0.0) * scale)
    # Rates in the strata with cells of both sides, weighted by their information
    weight = share * (1.0 - share) * d1
    return (weight * (inside.rate - outside.rate)).sum(axis=0) / weight.sum(), score


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient; zero if the divisor is zero."""
    a, b = np.broadcast_arrays(a, b)
    return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)


def _test(cells: Cells) -> TestResult:
    return poisson(cells.values, cells.codes, reference=cells.reference, covariates=cells.covariates)


METHOD = Method(
    name="poisson",
    test=_test,
    takes="counts",
    null="The rate of a gene, in counts per depth, is the same in group and reference, given the covariates.",
    source="Score of a Poisson regression (McCullagh and Nelder, Generalized Linear Models, 1989), variance by moments",
    adjusts=True,
)
