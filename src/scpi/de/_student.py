from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

# SciPy's own logarithm of the survival function is that of a number which has already underflowed
_UNDERFLOW = -690.0
_N_STEPS = 30


def two_sided_log_pval(t: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the two-sided p-value of Student's t, finite at any finite `t`."""
    t, df = np.broadcast_arrays(np.abs(t), df)
    with np.errstate(divide="ignore"):
        log_pval = np.log(2.0) + np.log(special.stdtr(df, -t))
    tail = log_pval < _UNDERFLOW
    log_pval[tail] = _log_tail(t[tail], df[tail])
    return np.minimum(log_pval, 0.0)


def _log_tail(t: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of P(|T| > t) as the regularised incomplete beta function I_x(df / 2, 1 / 2), x = df / (df + t^2).

    Its continued fraction (DLMF 8.17.22, evaluated by the modified Lentz method) converges in a few steps far out in
    the tail.
    """
    a, b = df / 2.0, 0.5
    odds = (t / np.sqrt(df)) ** 2
    x = 1.0 / (1.0 + odds)
    c, d = np.ones_like(a), 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    fraction = d.copy()
    for m in range(1, _N_STEPS):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = 1.0 / (1.0 + step * d)
            c = 1.0 + step / c
            fraction *= c * d
    log_beta = special.betaln(a, b)
    return -a * np.log1p(odds) + b * (np.log(odds) - np.log1p(odds)) - np.log(a) - log_beta + np.log(fraction)
