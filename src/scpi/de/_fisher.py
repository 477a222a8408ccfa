from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from scpi.de._beta import log_betainc_tail, log_gammaincc_tail

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_UNDERFLOW = -690.0


def f_log_sf(f: ArrayLike, df1: ArrayLike, df2: ArrayLike) -> NDArray[np.float64]:
    """Logarithm of the probability that Fisher's F exceeds `f`, finite at any finite `f`.

    `df2` may be infinite, which gives the probability that a chi-squared variable over its degrees of freedom does.
    """
    x, numerator, denominator = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (f, df1, df2)))
    shape = x.shape
    x, a, b = x.ravel(), numerator.ravel() / 2.0, denominator.ravel() / 2.0
    limit = np.isinf(b)
    log_sf = np.empty(len(x))
    with np.errstate(divide="ignore"):
        log_sf[limit] = np.log(special.gammaincc(a[limit], a[limit] * x[limit]))
        log_sf[~limit] = np.log(special.fdtrc(2.0 * a[~limit], 2.0 * b[~limit], x[~limit]))
    tail = log_sf < _UNDERFLOW
    far = tail & limit
    log_sf[far] = log_gammaincc_tail(a[far], a[far] * x[far])
    far = tail & ~limit
    log_sf[far] = log_betainc_tail(b[far], a[far], x[far] * a[far] / b[far])
    return np.minimum(log_sf, 0.0).reshape(shape)


def f_log_pdf(f: NDArray[np.float64], df1: float, df2: float) -> NDArray[np.float64]:
    """Logarithm of the density of Fisher's F; `df2` may be infinite, which gives that of chi-squared / df1."""
    if np.isinf(df2):
        return (
            df1 / 2.0 * np.log(df1 / 2.0) - special.gammaln(df1 / 2.0) + (df1 / 2.0 - 1.0) * np.log(f) - df1 * f / 2.0
        )
    ratio = df1 / df2
    return (
        df1 / 2.0 * np.log(ratio)
        + (df1 / 2.0 - 1.0) * np.log(f)
        - (df1 + df2) / 2.0 * np.log1p(ratio * f)
        - special.betaln(df1 / 2.0, df2 / 2.0)
    )


def f_quantile(p: NDArray[np.float64], df1: float, df2: float) -> NDArray[np.float64]:
    """Quantiles of Fisher's F; `df2` may be infinite, which gives those of chi-squared / df1."""
    if np.isinf(df2):
        return np.asarray(2.0 * special.gammaincinv(df1 / 2.0, p) / df1)
    return np.asarray(special.fdtri(df1, df2, p))
