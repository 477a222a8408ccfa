from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from scpi.de._student import two_sided_log_pval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Sets = Literal["imputed", "generated"]
"""Kind of the sets: measured samples with imputed values, or draws from a fitted model only."""


@dataclass(frozen=True, kw_only=True)
class PooledTests:
    """Pooled tests of several imputed or generated data sets. All arrays have the shape of one set."""

    estimate: NDArray[np.float64]
    """Mean of the estimates."""
    std_error: NDArray[np.float64]
    """Standard error, from the variance within and between sets."""
    df: NDArray[np.float64]
    """Degrees of freedom."""
    t: NDArray[np.float64]
    """Estimate divided by its standard error."""
    log_pval: NDArray[np.float64]
    """Natural logarithms of the two-sided p-values, finite even if these underflow."""
    between_fraction: NDArray[np.float64]
    """Fraction of the variance that comes from differences between sets."""


def pool_draws(estimate: ArrayLike, std_error: ArrayLike, df: ArrayLike, *, sets: Sets = "imputed") -> PooledTests:
    """Pool the estimates of several imputed or generated data sets.

    Imputed sets are pooled by Rubin's rules (Multiple Imputation for Nonresponse in Surveys, 1987). With m sets, the
    variance of the mean estimate is W + (1 + 1/m) B, where W is the mean of the squared standard errors and B the
    variance of the estimates between sets. For sets that are generated entirely by a fitted model, each as large as the
    measured one, W already contains the measurement noise by which they differ. Their variance is W + B/m, where W
    represents the noise of the cells that the model was fitted to (Reiter, Survey Methodology 29, 2003). The degrees of
    freedom are those of Barnard and Rubin (Biometrika 86, 1999) for few samples, with the fraction of the variance that
    comes from B. The null hypothesis is that the estimated quantity is zero.

    Parameters
    ----------
    estimate, std_error
        Estimates and their standard errors; the first axis is the sets.
    df
        Degrees of freedom of each estimate in its set, in a shape that broadcasts to these; may be infinite.
    sets
        Whether measured samples were completed (``"imputed"``), or a fitted model drew all cells (``"generated"``).

    Returns
    -------
    Pooled estimates, standard errors, degrees of freedom and tests. NaN where an estimate is NaN in one of the sets.

    Raises
    ------
    ValueError
        If there are fewer than two sets, the shapes differ, a standard error or `df` is not positive, or `sets` is unknown.

    Examples
    --------
    >>> from scpi.de import pool_draws
    >>> pooled = pool_draws([[1.0], [2.0], [3.0]], [[1.0], [1.0], [1.0]], 10)
    >>> pooled.estimate.tolist(), (pooled.std_error**2).round(3).tolist()
    ([2.0], [2.333])
    """
    if sets not in get_args(Sets):
        msg = f"`sets` must be one of {', '.join(map(repr, get_args(Sets)))}, but is {sets!r}."
        raise ValueError(msg)
    estimates, errors = np.asarray(estimate, dtype=np.float64), np.asarray(std_error, dtype=np.float64)
    if estimates.ndim < 1 or len(estimates) < 2 or estimates.shape != errors.shape:
        msg = f"`estimate` and `std_error` must hold at least two sets of one shape, got {estimates.shape} and {errors.shape}."
        raise ValueError(msg)
    complete = np.broadcast_to(np.asarray(df, dtype=np.float64), estimates.shape).mean(axis=0)
    if (errors <= 0).any() or (complete <= 0).any():
        msg = "Standard errors and degrees of freedom must be above 0."
        raise ValueError(msg)
    m = len(estimates)
    within = (errors**2).mean(axis=0)
    between = ((1.0 if sets == "imputed" else 0.0) + 1.0 / m) * estimates.var(axis=0, ddof=1)
    total = within + between
    fraction = between / total
    observed = _observed_df(complete) * (1.0 - fraction)
    # The first term is one over the degrees of freedom of many samples
    pooled_df = 1.0 / (fraction**2 / (m - 1) + 1.0 / observed)
    mean, pooled_error = estimates.mean(axis=0), np.sqrt(total)
    t = mean / pooled_error
    return PooledTests(
        estimate=mean,
        std_error=pooled_error,
        df=pooled_df,
        t=t,
        log_pval=two_sided_log_pval(t, pooled_df),
        between_fraction=fraction,
    )


def _observed_df(complete: NDArray[np.float64]) -> NDArray[np.float64]:
    """Observed-data degrees of freedom from those of a complete set, before the variance between sets enters."""
    finite = np.isfinite(complete)
    d = np.where(finite, complete, 1.0)
    return np.where(finite, (d + 1.0) / (d + 3.0) * d, complete)
