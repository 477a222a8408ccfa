"""Random draws of the Splat model, and checks of its probabilities and of what differs between groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def draw_factors(n: int, values: tuple[float, float, float, float], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw factors: 1 for most genes, and log-normal factors or their inverse for a fraction of them.

    The direction of a factor depends on the proportion of downregulated genes, whatever the sign of the normal draw.
    """
    share, down, loc, scale = values
    selected, up = rng.random(n) < share, rng.random(n) >= down
    size = np.abs(rng.normal(loc, scale, n))
    return np.where(selected, np.exp(np.where(up, size, -size)), 1.0)


def draw_counts(
    expected: NDArray[np.float64], bcv_common: float, spread: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw the mean of each gene in each cell, and its count.

    The scale of the Gamma distribution is computed without dividing by a mean of zero.
    """
    scale = ((bcv_common * np.sqrt(expected) + 1.0) * spread) ** 2
    mean = rng.gamma(expected / scale, scale)
    return mean, rng.poisson(mean)


def log2_against_others(factor: NDArray[np.float64], prob: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log2 ratio of each group's factor to the mean factor of the others, weighted by their probabilities.

    It is exactly zero if all factors are equal, and NaN if there is one group.
    """
    if len(prob) == 1:
        return np.full_like(factor, np.nan)
    excess = [
        np.average(np.delete(factor, i, axis=0) / own - 1.0, 0, np.delete(prob, i)) for i, own in enumerate(factor)
    ]
    return np.asarray(-np.log1p(excess) / np.log(2.0))


def drop_counts(
    counts: NDArray[np.int64], mean: NDArray[np.float64], mid: float, shape: float, rng: np.random.Generator
) -> None:
    """Set counts to zero, in place, with a probability that depends on the mean of each."""
    with np.errstate(divide="ignore"):
        lost = special.expit(shape * (np.log(mean) - mid))
    counts[rng.random(counts.shape) < lost] = 0


def probabilities(values: Sequence[float], name: str) -> NDArray[np.float64]:
    """Check probabilities, and normalise them to sum to exactly 1."""
    prob = np.asarray(values, dtype=np.float64)
    if prob.ndim != 1 or not (prob > 0).all() or not np.isclose(prob.sum(), 1.0):
        msg = f"`{name}` must be probabilities above 0 that sum to 1, but is {values!r}."
        raise ValueError(msg)
    return prob / prob.sum()


def of_groups(values: float | Sequence[float], n_groups: int, name: str) -> NDArray[np.float64]:
    """Return one value per group."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim > 0 and array.shape != (n_groups,):
        msg = f"`{name}` must be one number or one for each of the {n_groups} groups, but is {values!r}."
        raise ValueError(msg)
    return np.broadcast_to(array, n_groups).copy()
