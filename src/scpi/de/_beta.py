from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_STEPS = 1_000


def log_betainc_tail(
    a: NDArray[np.float64], b: NDArray[np.float64] | float, odds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm of the regularised incomplete beta function I_x(a, b) at x = 1 / (1 + odds), finite at any `odds`.

    For x well below the mean a / (a + b), where the function itself may be too small for a float. The continued
    fraction (DLMF 8.17.22, evaluated by the modified Lentz method) converges in a few steps in the extreme tail.
    """
    x = 1.0 / (1.0 + odds)
    c, d = np.ones_like(x), 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    fraction = d.copy()
    for m in range(1, _MAX_STEPS):
        before = fraction.copy()
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0)),
        ):
            d = 1.0 / (1.0 + step * d)
            c = 1.0 + step / c
            fraction *= c * d
        if np.all(np.abs(fraction - before) <= 1e-15 * fraction):
            break
    return (
        -a * np.log1p(odds) + b * (np.log(odds) - np.log1p(odds)) - np.log(a) - special.betaln(a, b) + np.log(fraction)
    )


def log_gammaincc_tail(a: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the regularised upper incomplete gamma function, finite at any `x`, for `x` well above `a`.

    By its continued fraction (DLMF 8.9.2, evaluated by the modified Lentz method).
    """
    b = x + 1.0 - a
    d = 1.0 / b
    c, fraction = np.full_like(x, np.inf), d.copy()
    for m in range(1, _MAX_STEPS):
        before = fraction.copy()
        step = m * (a - m)
        b = b + 2.0
        d = 1.0 / (b + step * d)
        c = b + step / c
        fraction *= c * d
        if np.all(np.abs(fraction - before) <= 1e-15 * fraction):
            break
    return -x + a * np.log(x) - special.gammaln(a) + np.log(fraction)
