"""Rates of genes in groups of cells with their variances, adjusted for covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scpi._groups import other_mean
from scpi._screen._expression import check_stored_counts, depth_factors, normalise, row_sums
from scpi.de._covariate_effects import CovariateEffects, design_columns, fit_covariates
from scpi.de._moments import group_moments

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

# Standard errors by which the variance within a group must exceed that of all groups together
_SURE = 2.0


@dataclass(frozen=True)
class Rates:
    """Sums of normalised counts, and their exposures; all groups x genes, or columns."""

    total: NDArray[np.float64]
    """Sums of the normalised counts of each group."""
    exposure: NDArray[np.float64]
    """Cells of each group, weighted by the effects of their covariates: the sums over it are rates."""
    index: NDArray[np.float64]
    """Variance of the sums, divided by the sums."""
    factor: NDArray[np.float64]
    """Normalised counts per count, groups x 1."""
    covariates: NDArray[np.float64] | None
    """Weighted means of the covariates, groups x covariates x genes."""

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance of the log rate; half a pseudocount keeps it finite without counts."""
        half = 0.5 * self.factor
        return np.asarray((self.total * self.index + half * self.factor) / (self.total + half) ** 2)

    def row(self, group: int) -> Rates:
        """One group."""
        rows = slice(group, group + 1)
        covariates = None if self.covariates is None else self.covariates[rows]
        return Rates(self.total[rows], self.exposure[rows], self.index[rows], self.factor[rows], covariates)


@dataclass(frozen=True)
class GroupRates:
    """Rates of groups of cells."""

    rates: Rates
    size: NDArray[np.intp]
    """Cells of each group."""
    effects: CovariateEffects | None
    """Effects of covariates, if any."""

    def log_means(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Natural logarithms of the rates, with half a pseudocount, and their standard errors, groups x genes."""
        rates = self.rates
        variance, half = rates.variance, 0.5 * rates.factor
        if self.effects is not None:
            # Relative to the mean of all groups, as their common part is in the baseline
            common = np.einsum("kpg,kg->pg", self.effects.mean, rates.total + half) / (rates.total + half).sum(axis=0)
            variance = variance + self.effects.variance(common)
        return np.log((rates.total + half) / rates.exposure), np.sqrt(variance)

    def log_ratios(self, reference: int | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Natural logarithms of the ratios to the rates of a group, or of all others, and their standard errors."""
        rates = self.rates
        other = self._rest() if reference is None else rates.row(reference)
        # A rate below half a count in the smaller of both groups cannot be distinguished from zero
        least = 0.5 * np.maximum(rates.factor / rates.exposure, other.factor / other.exposure)
        ratio = np.log(rates.total / rates.exposure + least) - np.log(other.total / other.exposure + least)
        variance = rates.variance + other.variance
        if self.effects is not None and other.covariates is not None:
            variance = variance + self.effects.variance(other.covariates)
        return ratio, np.sqrt(variance)

    def _rest(self) -> Rates:
        """All cells but those of each group, as one group with the mean of their rates."""
        rates, n = self.rates, self.size[:, None].astype(np.float64)
        smoothed = (rates.total + 0.5 * rates.factor) / rates.exposure
        weight = other_mean(smoothed, self.size, None)
        mean = None
        if rates.covariates is not None:
            of_columns = [
                other_mean(rates.covariates[:, j] * smoothed, self.size, None) for j in range(rates.covariates.shape[1])
            ]
            mean = np.stack(of_columns, axis=1) / weight[:, None]
        n_other = n.sum() - n
        return Rates(
            total=n_other * other_mean(rates.total / rates.exposure, self.size, None),
            exposure=n_other,
            index=other_mean(n / rates.exposure * rates.index * smoothed, self.size, None) / weight,
            factor=other_mean(rates.factor, self.size, None),
            covariates=mean,
        )


def group_rates(counts: ArrayLike, codes: ArrayLike, *, covariates: pd.DataFrame | None = None) -> GroupRates:
    """Compute rates of each gene in each group, from counts scaled to the median depth.

    The variance of a sum is that of scaled negative binomial counts, with the overdispersion of the gene in all groups
    together, but at least the variance observed in the group. If a few cells have all counts of a group, the precision
    of its rate thus depends on their number, even if the gene varies little elsewhere.

    Parameters
    ----------
    counts
        Cells x genes, dense or sparse; data that is not in memory is read in blocks.
    codes
        Group of each cell: 0, 1, ...; cells with a negative code are excluded.
    covariates
        Covariates to adjust for, one row per cell.

    Returns
    -------
    The rates.

    Raises
    ------
    ValueError
        If values are not counts, a group has no cell, or covariates are missing or the same in all cells of each group.
    """
    matrix, groups = check_stored_counts(counts), np.asarray(codes)
    depth = row_sums(matrix)
    scaled = normalise(matrix, depth)
    moments = group_moments(scaled, groups)
    n = moments.size[:, None].astype(np.float64)
    if (n == 0).any():
        msg = f"Every group needs a cell, but group {int(np.flatnonzero(n == 0)[0])} has none."
        raise ValueError(msg)
    total, used = n * moments.mean, groups >= 0
    factor = (np.bincount(groups[used], weights=depth_factors(depth)[used]) / moments.size)[:, None]
    squares = np.where(n > 1, (n - 1.0) * moments.variance, 0.0)
    columns = None if covariates is None else design_columns(covariates, groups)
    if columns is None or not columns.shape[1]:
        index = _variance_index(n, total, factor, squares, n * moments.mean**2)
        return GroupRates(Rates(total, n, index, factor, None), moments.size, None)
    poisson = ((n - 1.0) / n * total * factor).sum(axis=0)
    excess = np.maximum(_ratio(squares.sum(axis=0), poisson), 1.0)
    effects = fit_covariates(scaled, groups, columns, total, excess * factor.mean())
    expected = (total / effects.exposure) ** 2 * effects.squares
    # Variance explained by covariates is not variance within the group
    residual = np.maximum(squares + n * moments.mean**2 - expected, 0.0)
    index = _variance_index(n, total, factor, residual, expected)
    return GroupRates(Rates(total, effects.exposure, index, factor, effects.mean), moments.size, effects)


def _variance_index(
    n: NDArray[np.float64],
    total: NDArray[np.float64],
    factor: NDArray[np.float64],
    squares: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Variance over mean of the sum of each group, from sums of squared residuals and of squared expectations."""
    freedom = np.maximum(n - 1.0, 0.0) / n
    excess = (squares - freedom * total * factor).sum(axis=0)
    overdispersion = np.maximum(_ratio(excess, (freedom * expected).sum(axis=0)), 0.0)
    pooled = factor + overdispersion * _ratio(expected, total)
    own = _ratio(squares, freedom * total)
    # Relative standard error of a variance: that of a normal distribution, and more where events are few
    spread = np.sqrt(_ratio(2.0, n - 1.0) + _ratio(pooled, total))
    return np.asarray(np.maximum(pooled, own - _SURE * spread * pooled))


def _ratio(a: NDArray[np.float64] | float, b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quotient; zero if the divisor is zero."""
    a, b = np.broadcast_arrays(a, b)
    return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)
