"""Empirical Bayes estimates of the prior of residual variances."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special, stats

from scpi.de._fisher import f_log_pdf, f_log_sf, f_quantile
from scpi.de._lowess import lowess

if TYPE_CHECKING:
    from numpy.typing import NDArray

_N_NODES = 128


@dataclass(frozen=True)
class VariancePrior:
    """Scaled inverse chi-squared prior of the residual variance of each gene."""

    variance: NDArray[np.float64]
    """Prior variance of each gene."""
    df: NDArray[np.float64]
    """Prior degrees of freedom of each gene; infinite if the variances do not differ."""


def variance_prior(
    variance: NDArray[np.float64], df: NDArray[np.float64], *, trend: NDArray[np.float64] | None = None
) -> VariancePrior:
    """Fit the prior of residual variances by the moments of their logarithms (Smyth 2004).

    Parameters
    ----------
    variance
        Residual variance of each gene.
    df
        Residual degrees of freedom of each gene.
    trend
        Mean expression of each gene, along which the prior variance may change as a natural spline.

    Returns
    -------
    Prior variance and degrees of freedom.
    """
    informative = df > 0
    if not informative.all():
        # Genes without degrees of freedom have the prior, and no part in it
        found = variance_prior(
            variance[informative], df[informative], trend=None if trend is None else trend[informative]
        )
        along = np.zeros(len(df)) if trend is None else trend
        order = np.argsort(along[informative], kind="stable")
        logged = np.interp(along, along[informative][order], np.log(found.variance[order]))
        return VariancePrior(np.exp(logged), np.full(len(df), found.df[0]))
    n = len(variance)
    floored = _floor(variance, 1e-5)
    shifted = np.log(floored) - _mean_log(df)
    if trend is None or n < 3:
        location = np.full(n, shifted.mean())
        rank = 1
    else:
        basis = natural_spline(trend, df=1 + (n >= 3) + (n >= 6) + (n >= 30))
        location = basis @ (basis.T @ shifted)
        rank = basis.shape[1]
    excess = np.square(shifted - location).sum() / max(n - rank, 1) - special.polygamma(1, df / 2.0).mean()
    if n > rank and excess > 0:
        prior_df = 2.0 * inverse_trigamma(float(excess))
        return VariancePrior(np.exp(location + _mean_log(np.asarray(prior_df))), np.full(n, prior_df))
    prior = np.full(n, floored.mean()) if trend is None else np.exp(location)
    return VariancePrior(prior, np.full(n, np.inf))


def robust_variance_prior(
    variance: NDArray[np.float64],
    df: NDArray[np.float64],
    *,
    trend: NDArray[np.float64] | None = None,
    tails: tuple[float, float] = (0.05, 0.1),
) -> VariancePrior:
    """Fit the prior from winsorised moments, and let genes of outlying variance have a prior of their own.

    The method of Phipson et al. (Ann. Appl. Stat. 10, 2016).

    Parameters
    ----------
    variance
        Residual variance of each gene.
    df
        Residual degrees of freedom, equal in all genes.
    trend
        Mean expression of each gene, along which the prior variance may change.
    tails
        Fractions of the genes at the lower and the upper end that are winsorised.

    Returns
    -------
    Prior variance and degrees of freedom; the latter are smaller in genes of outlying variance.

    Raises
    ------
    ValueError
        If the residual degrees of freedom differ.
    """
    n, df1 = len(variance), float(df[0])
    if (df != df1).any():
        msg = "The robust prior needs the same residual degrees of freedom in all genes: use robust=False."
        raise ValueError(msg)
    plain = variance_prior(variance, df, trend=trend)
    # Neither tail has a gene of its own
    if max(tails) * n < 1:
        return plain
    log_variance = np.log(_floor(variance, 1e-12))
    if trend is None:
        centre = np.full(n, stats.trim_mean(log_variance, tails[1]))
    else:
        centre = lowess(trend, log_variance, span=0.4)
    residual = log_variance - centre
    clipped = np.clip(residual, *np.quantile(residual, [tails[0], 1.0 - tails[1]]))
    mean, spread = clipped.mean(), clipped.var(ddof=1)

    def misfit(share: float) -> float:
        return float(np.log(spread / _winsorised_moments(df1, share / (1.0 - share), tails)[1]))

    expected_mean, expected_spread = _winsorised_moments(df1, np.inf, tails)
    if spread <= expected_spread:
        location = centre + mean - expected_mean
        return VariancePrior(np.exp(location), _pooled_outliers(np.exp(log_variance - location), df1))
    df2 = float(plain.df[0])
    if np.isinf(df2):
        return plain
    lowest = df2 / (1.0 + df2)
    if misfit(lowest) < 0:
        share = float(optimize.brentq(misfit, lowest, 1.0 - 1e-12, xtol=1e-15, rtol=1e-14))
        df2 = share / (1.0 - share)
    location = centre + mean - _winsorised_moments(df1, df2, tails)[0]
    return VariancePrior(np.exp(location), _outliers(np.exp(log_variance - location), df1, df2))


def inverse_trigamma(x: float) -> float:
    """Value at which the trigamma function is `x`, by Newton's method on its reciprocal."""
    if x > 1e7:
        return 1.0 / np.sqrt(x)
    if x < 1e-6:
        return 1.0 / x
    y = 0.5 + 1.0 / x
    for _ in range(50):
        value = float(special.polygamma(1, y))
        step = float(value * (1.0 - value / x) / special.polygamma(2, y))
        y += step
        if -step < 1e-15 * y:
            break
    return y


def natural_spline(x: NDArray[np.float64], *, df: int) -> NDArray[np.float64]:
    """Orthonormal basis of natural cubic splines with inner knots at quantiles, the intercept included.

    Parameters
    ----------
    x
        Where to evaluate it.
    df
        Columns, as far as `x` has that many different values.

    Returns
    -------
    Values x columns.
    """
    distinct = np.unique(x)
    df = min(df, len(distinct))
    if df < 2:
        return np.full((len(x), 1), 1.0 / np.sqrt(len(x)))
    scaled = (x - distinct[0]) / (distinct[-1] - distinct[0])
    knots = np.unique(np.r_[0.0, np.quantile(scaled, np.arange(1, df - 1) / (df - 1)), 1.0])

    def cubic(knot: float) -> NDArray[np.float64]:
        return np.asarray((np.maximum(scaled - knot, 0.0) ** 3 - np.maximum(scaled - 1.0, 0.0) ** 3) / (1.0 - knot))

    columns = [np.ones(len(x)), scaled, *(cubic(knot) - cubic(knots[-2]) for knot in knots[:-2])]
    return np.asarray(np.linalg.qr(np.stack(columns, axis=1))[0])


def _mean_log(df: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the logarithm of a chi-squared variable over its degrees of freedom."""
    return np.asarray(special.digamma(df / 2.0) - np.log(df / 2.0))


def _floor(variance: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Variances without zeros, which have no logarithm."""
    middle = float(np.median(variance))
    if middle == 0:
        msg = "More than half of the residual variances are zero: the prior of the variances is unreliable."
        warnings.warn(msg, UserWarning, stacklevel=4)
        middle = 1.0
    return np.maximum(variance, share * middle)


def _winsorised_moments(df1: float, df2: float, tails: tuple[float, float]) -> tuple[float, float]:
    """Mean and variance of the logarithm of a winsorised F variable, by quadrature on F / (1 + F)."""
    ends = f_quantile(np.array([tails[0], 1.0 - tails[1]]), df1, df2)
    low, high = ends / (1.0 + ends)
    nodes, node_weights = _quadrature()
    u = low + (high - low) * (nodes + 1.0) / 2.0
    f = u / (1.0 - u)
    mass = np.r_[(high - low) * node_weights / 2.0 * np.exp(f_log_pdf(f, df1, df2)) / (1.0 - u) ** 2, tails]
    values = np.log(np.r_[f, ends])
    mean = float(mass @ values)
    return mean, float(mass @ (values - mean) ** 2)


@cache
def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(_N_NODES)


def unit_quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of an integral from zero to one."""
    nodes, weights = _quadrature()
    return (nodes + 1.0) / 2.0, weights / 2.0


def _empirical_log_tail(f: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log((len(f) - stats.rankdata(f) + 0.5) / len(f)))


def _pooled_outliers(f: NDArray[np.float64], df1: float) -> NDArray[np.float64]:
    """Prior degrees of freedom where variances do not differ but for a few genes."""
    n = len(f)
    log_tail = np.log(np.maximum(special.gammaincc(df1 / 2.0, f * df1 / 2.0), np.finfo(np.float64).tiny))
    ordinary = np.exp(np.minimum(log_tail - _empirical_log_tail(f), 0.0))
    df2 = np.where(ordinary < 1.0, ordinary * n * df1, np.inf)
    if (ordinary < 1.0).any():
        order = np.argsort(log_tail, kind="stable")
        df2[order] = np.maximum.accumulate(df2[order])
    return df2


def _outliers(f: NDArray[np.float64], df1: float, df2: float) -> NDArray[np.float64]:
    """Prior degrees of freedom, fewer where the variance ratio is too large for the prior."""
    log_tail = f_log_sf(f, df1, df2)
    ordinary = np.exp(np.minimum(log_tail - _empirical_log_tail(f), 0.0))
    if not (ordinary < 1.0).any():
        return np.full(len(f), df2)
    order = np.argsort(log_tail, kind="stable")
    df_outlier = np.log(0.5) / log_tail[order[0]] * df2
    # Once more, with the tail that these degrees of freedom give themselves
    df_outlier *= np.log(0.5) / float(f_log_sf(f.max(), df1, df_outlier))
    shrunk = (ordinary * df2 + (1.0 - ordinary) * df_outlier)[order]
    running = np.cumsum(shrunk) / np.arange(1, len(f) + 1)
    lowest = int(np.argmin(running))
    shrunk[: lowest + 1] = running[lowest]
    result = np.empty(len(f))
    result[order] = np.maximum.accumulate(shrunk)
    return result
