"""Gene programs: their genes, their activities, the batches of cells, and the resulting means and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse, special, stats

from scpi._keys import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from numpy.typing import NDArray

# Number of values that are drawn at once
_BLOCK = 1 << 20


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


def check_confounding(confounding: float | None, n_batches: int) -> None:
    """Raise an error unless the confounding is a probability, and there are batches to distribute cells over."""
    if confounding is None:
        return
    if not 0 <= confounding <= 1:
        msg = f"`confounding` must be between 0 and 1, but is {confounding!r}."
        raise ValueError(msg)
    if n_batches < 2:
        msg = f"`confounding` distributes cells over batches: set `n_batches` to at least 2, not {n_batches}."
        raise ValueError(msg)


def draw_batches(
    on: NDArray[np.bool_], n_batches: int, confounding: float | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw batches: cells that are on are in the first half of them with this probability, others in the second half."""
    if confounding is None:
        return rng.integers(n_batches, size=len(on))
    n_first = n_batches // 2
    is_first = rng.random(len(on)) < np.where(on, confounding, 1.0 - confounding)
    return np.where(is_first, rng.integers(n_first, size=len(on)), rng.integers(n_first, n_batches, size=len(on)))


def draw_usages(
    cell_type: NDArray[np.int64],
    is_stimulated: NDArray[np.bool_],
    location: NDArray[np.float64],
    values: tuple[float, float],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw logistic normal usages of the programs of types, of the response, and of activities, which are correlated.

    ``location``, types x (response, activities), are logarithms of usages relative to that of the program of the type;
    ``values`` are the standard deviation around them and the correlation between activities.
    """
    scale, correlation = values
    n_cells, n_types = len(cell_type), len(location)
    normal = rng.standard_normal((n_cells, location.shape[1]))
    normal[:, 1:] *= np.sqrt(1.0 - correlation)
    normal[:, 1:] += np.sqrt(correlation) * rng.standard_normal((n_cells, 1))
    usages = np.zeros((n_cells, n_types + location.shape[1]))
    usages[np.arange(n_cells), cell_type] = 1.0
    usages[:, n_types:] = np.exp(location[cell_type] + scale * normal)
    usages[~is_stimulated, n_types] = 0.0
    return np.asarray(usages / usages.sum(axis=1, keepdims=True))


def shares_of_total(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected fraction of each gene in the total count of its cell."""
    return np.asarray(special.softmax(logits, axis=1), dtype=np.float64)


def draw_overdispersed(mean: NDArray[np.float64], dispersion: float, rng: np.random.Generator) -> sparse.csr_matrix:
    r"""Draw counts with the variance :math:`\mu + \phi \mu^2`, which are Poisson distributed without dispersion."""
    if dispersion > 0:
        mean = rng.gamma(1.0 / dispersion, dispersion * mean)
    return sparse.csr_matrix(rng.poisson(mean), dtype=np.float32)


def draw_cells(
    mean_of: Callable[[NDArray[np.intp]], NDArray[np.float64]],
    shape: tuple[int, int],
    *,
    dispersion: float,
    rng: np.random.Generator,
) -> sparse.csr_matrix:
    """Counts of cells x genes, from a function that gives the means of some of the cells."""
    n_cells, n_genes = shape
    blocks = np.array_split(np.arange(n_cells), -(-n_cells * n_genes // _BLOCK))
    return sparse.vstack([draw_overdispersed(mean_of(rows), dispersion, rng) for rows in blocks], format="csr")


def add_programs(adata: AnnData, activity: NDArray[np.float64], weights: NDArray[np.float64], names: list[str]) -> None:
    """Store what is known of the programs: their activities, cells x programs, and weights, programs x genes."""
    adata.obsm[Key.obsm.PROGRAMS] = pd.DataFrame(activity, index=adata.obs_names, columns=names)
    adata.varm[Key.varm.PROGRAMS] = pd.DataFrame(weights.T, index=adata.var_names, columns=names)


def add_batch_factors(adata: AnnData, factor: NDArray[np.float64], names: list[str]) -> None:
    """Store the factors of the genes in the batches, batches x genes, if there are several."""
    if len(factor) > 1:
        adata.varm[Key.varm.BATCH_FACTOR] = pd.DataFrame(factor.T, index=adata.var_names, columns=names)
