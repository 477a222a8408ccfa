from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from scpi.de._beta import log_betainc_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

# SciPy's own logarithm of the survival function is that of a number which has already underflowed
_UNDERFLOW = -690.0


def two_sided_log_pval(t: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the two-sided p-value of Student's t, finite at any finite `t`."""
    t, df = np.broadcast_arrays(np.abs(t), df)
    with np.errstate(divide="ignore"):
        log_pval = np.log(2.0) + np.log(special.stdtr(df, -t))
    tail = log_pval < _UNDERFLOW
    # P(|T| > t) = I_x(df / 2, 1 / 2) at x = df / (df + t^2)
    log_pval[tail] = log_betainc_tail(df[tail] / 2.0, 0.5, (t[tail] / np.sqrt(df[tail])) ** 2)
    return np.minimum(log_pval, 0.0)


def upper_log_tail(t: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the probability that Student's t is above a value of either sign, finite at any finite one."""
    half = two_sided_log_pval(t, df) - np.log(2.0)
    return np.where(t > 0, half, np.log1p(-np.exp(half)))


def upper_quantile(log_pval: NDArray[np.float64], df: float) -> NDArray[np.float64]:
    """Value that Student's t exceeds in absolute value with the given probability, by its logarithm."""
    # Beyond the smallest float the tail falls off as (1 + t^2 / df)^(-df / 2), and Newton's method does the rest
    t = np.sqrt(df * np.expm1(-2.0 * log_pval / df))
    ordinary = log_pval > _UNDERFLOW
    t[ordinary] = -special.stdtrit(df, np.exp(log_pval[ordinary]) / 2.0)
    deep = ~ordinary
    for _ in range(20):
        if not deep.any():
            break
        log_density = (
            np.log(2.0)
            + special.gammaln((df + 1.0) / 2.0)
            - special.gammaln(df / 2.0)
            - 0.5 * np.log(df * np.pi)
            - (df + 1.0) / 2.0 * np.log1p(t[deep] ** 2 / df)
        )
        value = two_sided_log_pval(t[deep], np.asarray(df))
        t[deep] += (value - log_pval[deep]) * np.exp(value - log_density)
    return t
