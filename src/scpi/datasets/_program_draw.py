"""Gene programs: their genes, their activities, and the resulting means and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse, special, stats

if TYPE_CHECKING:
    from numpy.typing import NDArray


def draw_programs(
    n_genes: int, n_programs: int, n_members: int, *, overlap: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw weights of programs x genes, uniform between 0.5 and 1.5.

    The programs are windows on a circle of genes; each starts before the previous one ends.
    """
    shared = round(overlap * n_members)
    if shared and n_programs < 3:
        msg = f"Overlapping programs share genes with the previous and the next one: use at least 3, not {n_programs}."
        raise ValueError(msg)
    stride = n_members - shared
    n_used = n_programs * stride
    if n_used > n_genes:
        msg = f"The programs need {n_used} genes, but `n_genes` is {n_genes}."
        raise ValueError(msg)
    circle = rng.permutation(n_genes)[:n_used]
    weights = np.zeros((n_programs, n_genes))
    for i, row in enumerate(weights):
        row[circle[(i * stride + np.arange(n_members)) % n_used]] = rng.uniform(0.5, 1.5, n_members)
    return weights


def draw_activities(
    shape: tuple[int, int], values: tuple[float, float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw activities of cells x programs that are zero or Gamma distributed, coupled by a Gaussian copula."""
    probability, gamma_shape, correlation = values
    normal = np.sqrt(1.0 - correlation) * rng.standard_normal(shape)
    normal += np.sqrt(correlation) * rng.standard_normal((shape[0], 1))
    # Use upper tails, because quantiles near 1 would lose digits
    above = special.ndtr(-normal)
    on = above < probability
    activity = np.zeros(shape)
    activity[on] = stats.gamma(gamma_shape, scale=1.0 / gamma_shape).isf(above[on] / probability)
    return activity


def shares_of_total(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected fraction of each gene in the total count of its cell."""
    return np.asarray(special.softmax(logits, axis=1), dtype=np.float64)


def draw_overdispersed(mean: NDArray[np.float64], dispersion: float, rng: np.random.Generator) -> sparse.csr_matrix:
    r"""Draw counts with the variance :math:`\mu + \phi \mu^2`, which are Poisson distributed without dispersion."""
    if dispersion > 0:
        mean = rng.gamma(1.0 / dispersion, dispersion * mean)
    return sparse.csr_matrix(rng.poisson(mean), dtype=np.float32)
