"""The null distribution of the mean over a gene set: random sets with as many genes from each bin of expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from scpi.tl._impact._bins import matched_orders, one_hot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scipy import sparse

# Relative size below which a variance is rounding
_ROUNDING = 1e-20
# Skewness below which the normal distribution is accurate to all relevant digits
_STRAIGHT = 1e-4


@dataclass(frozen=True)
class Null:
    """Moments of a statistic under the null hypothesis, units x sets."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    skewness: NDArray[np.float64]
    kurtosis: NDArray[np.float64]
    """Excess kurtosis."""

    def zscore(self, impact: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the distance from the mean in standard deviations; zero without variance."""
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (impact - self.mean) / np.sqrt(self.variance)
        return np.where(self.variance > 0, z, 0.0)

    def pval(self, impact: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the two-sided p-value; one without variance."""
        z = self.zscore(impact)
        pval = pearson3_pval(z, self.skewness)
        # The kurtosis beyond that of the skewness makes both tails heavier
        heavier = student_pval(z, self.kurtosis - 1.5 * self.skewness**2)
        return np.where(self.variance > 0, np.maximum(pval, heavier), 1.0)


def set_means(scores: NDArray[np.float64], membership: sparse.csr_matrix) -> NDArray[np.float64]:
    """Compute the mean score of the members of each set, units x sets, from scores of genes x units."""
    sizes = np.asarray(membership.sum(axis=0), dtype=np.float64).ravel()
    return np.asarray((membership.astype(np.float64).T @ scores).T / sizes)


def matched_null(scores: NDArray[np.float64], membership: sparse.csr_matrix, bins: NDArray[np.intp]) -> Null:
    r"""Compute the exact first four moments of the mean over random sets.

    A random set has as many genes of each bin as the set, drawn without replacement and independently between bins. Of
    :math:`N_b` genes with mean :math:`\mu_b` and central moments :math:`m_{2b}, m_{3b}`, the sum of :math:`n_b` has
    the mean and central moments

    .. math:: n_b \mu_b, \qquad \frac{n_b (N_b - n_b)}{N_b - 1} m_{2b}, \qquad
        \frac{n_b (N_b - n_b) (N_b - 2 n_b)}{(N_b - 1) (N_b - 2)} m_{3b}.

    With :math:`p_k` the probability that :math:`k` given genes are all drawn, the fourth is

    .. math:: N_b m_{4b} (p_1 - 7 p_2 + 12 p_3 - 6 p_4) + 3 N_b^2 m_{2b}^2 (p_2 - 2 p_3 + p_4).

    Cumulants add up over bins. Scores are genes x units, `membership` genes x sets.
    """
    indicator = one_hot(bins)
    total = np.asarray(indicator.sum(axis=1))
    drawn = np.asarray((indicator @ membership.astype(np.float64)).toarray())
    mean = (indicator @ scores) / total
    centred = scores - mean[bins]
    m2, m3, m4 = ((indicator @ centred**power) / total for power in (2, 3, 4))
    left = total - drawn
    with np.errstate(invalid="ignore", divide="ignore"):
        of_second = np.where(total > 1, drawn * left / (total - 1), 0.0)
        of_third = np.where(total > 2, of_second * (left - drawn) / (total - 2), 0.0)
    p1, p2, p3, p4 = _all_drawn(drawn, total)
    # Fourth cumulant: the fourth moment minus three times the squared variance
    of_m4 = total * (p1 - 7 * p2 + 12 * p3 - 6 * p4)
    of_m2_squared = 3 * total**2 * (p2 - 2 * p3 + p4) - 3 * of_second**2
    sizes = drawn.sum(axis=0)
    second = m2.T @ of_second
    largest = np.abs(scores).max(axis=0)[:, None]
    second[second <= _ROUNDING * (largest * sizes) ** 2] = 0.0
    fourth = m4.T @ of_m4 + (m2**2).T @ of_m2_squared
    with np.errstate(invalid="ignore", divide="ignore"):
        skewness = np.where(second > 0, (m3.T @ of_third) / second**1.5, 0.0)
        kurtosis = np.where(second > 0, fourth / second**2, 0.0)
    return Null((mean.T @ drawn) / sizes, second / sizes**2, skewness, kurtosis)


def _all_drawn(drawn: NDArray[np.float64], total: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the probabilities that one, two, three and four given genes of a bin are all drawn, bins x sets."""
    probability: NDArray[np.float64] = np.ones_like(drawn)
    for k in range(4):
        probability = probability * np.maximum(drawn - k, 0.0) / np.maximum(total - k, 1.0)
        yield probability


def pearson3_pval(z: NDArray[np.float64], skewness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute two-sided p-values of skewed standard deviates: twice the smaller tail of Pearson's type III.

    The distribution is bounded on its light side. For values beyond the midpoint between the mean and this bound,
    the skewness is reduced until they are at the midpoint, so that no value is impossible.
    """
    z, skewness = np.broadcast_arrays(np.asarray(z, dtype=np.float64), skewness)
    heavy = z * np.sign(skewness) >= 0
    with np.errstate(divide="ignore"):
        size = np.where(heavy, np.abs(skewness), np.minimum(np.abs(skewness), 1.0 / np.abs(z)))
    straight = size < _STRAIGHT
    size = np.where(straight, 1.0, size)
    shape = 4.0 / size**2
    # A gamma variable of this shape, reflected so that its long tail is on the right
    gamma = np.maximum(shape + 2.0 * z * np.sign(skewness) / size, 0.0)
    upper, lower = special.gammaincc(shape, gamma), special.gammainc(shape, gamma)
    normal = special.ndtr(-np.abs(z))
    # Twice the smaller tail, as the median of a skewed distribution is not its mean
    tail = np.where(straight, normal, np.minimum(upper, lower))
    return np.clip(2.0 * tail, np.finfo(np.float64).tiny, 1.0)


def student_pval(z: NDArray[np.float64], kurtosis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute two-sided p-values by the Student distribution with this excess kurtosis; 0 without excess."""
    heavy = kurtosis > _STRAIGHT
    df = 4.0 + 6.0 / np.where(heavy, kurtosis, 1.0)
    # Student's t has a larger variance than a standard deviate
    return np.where(heavy, 2.0 * special.stdtr(df, -np.abs(z) * np.sqrt(df / (df - 2.0))), 0.0)


def permuted_pval(
    scores: NDArray[np.float64],
    membership: sparse.csr_matrix,
    bins: NDArray[np.intp],
    *,
    n_permutations: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Compute two-sided p-values of set means by random sets drawn as above; at least 2 / (n_permutations + 1)."""
    observed = set_means(scores, membership)
    tolerance = 1e-9 * np.abs(scores).max(axis=0)[:, None]
    above = np.ones(observed.shape)
    below = np.ones(observed.shape)
    for order in matched_orders(bins, n_permutations, rng):
        found = set_means(scores[order], membership)
        above += found >= observed - tolerance
        below += found <= observed + tolerance
    return np.minimum(2.0 * np.minimum(above, below) / (n_permutations + 1), 1.0)
