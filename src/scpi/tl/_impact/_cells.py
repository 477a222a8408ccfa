"""Means of attributions of genes and gene sets over samples of cells, accumulated in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy import sparse

    from scpi.attribution import BatchAttributions


@dataclass(frozen=True)
class SampleMeans:
    """Means and variances of the attributions in each sample."""

    genes: NDArray[np.float64]
    """Mean attribution, samples x units x genes."""
    sets: NDArray[np.float64]
    """Mean impact, samples x units x sets."""
    variance: NDArray[np.float64]
    """Variance of the impact between cells, samples x units x sets."""
    n_cells: NDArray[np.int64]
    """Number of cells of each sample."""
    drawn: NDArray[np.float32]
    """Mean impact in samples of cells drawn with replacement, draws x samples x units x sets."""


def sample_means(
    batches: Iterable[BatchAttributions],
    shape: tuple[int, int],
    membership: sparse.csr_matrix,
    *,
    n_bootstrap: int,
    rng: np.random.Generator,
) -> SampleMeans:
    """Average the attributions of all units over the cells of each sample, the groups of the batches.

    Impacts of single cells are computed in batches and not stored. `membership` is genes x sets, and `shape` the number
    of samples and of units. In a bootstrap sample, each cell is drawn a Poisson-distributed number of times, which
    needs no second pass over the cells.
    """
    sizes = np.asarray(membership.sum(axis=0), dtype=np.float32).ravel()
    weights = torch.from_numpy(membership.toarray().astype(np.float32) / sizes)
    n_samples, n_units = shape
    genes = np.zeros((*shape, len(weights)))
    of_sets = (*shape, len(sizes))
    means, squares, n_cells = np.zeros(of_sets), np.zeros(of_sets), np.zeros(n_samples, dtype=np.int64)
    drawn, n_drawn = (
        np.zeros((n_bootstrap, *of_sets), dtype=np.float32),
        np.zeros((n_bootstrap, n_samples), dtype=np.float32),
    )
    for batch in batches:
        sample, rows = batch.group, batch.cells
        impact = np.empty((len(rows), *of_sets[1:]), dtype=np.float32)
        for j in range(n_units):
            values = torch.from_numpy(batch.of_output(j)).float()
            genes[sample, j] += values.sum(0, dtype=torch.float64).numpy()
            impact[:, j] = (values @ weights).numpy()
        mean = impact.mean(axis=0, dtype=np.float64)
        # Moments of a batch are merged with those before it (Chan et al., 1979)
        shift, total = mean - means[sample], n_cells[sample] + len(rows)
        squares[sample] += np.square(impact - mean).sum(axis=0) + shift**2 * (n_cells[sample] * len(rows) / total)
        means[sample] += shift * (len(rows) / total)
        n_cells[sample] = total
        if n_bootstrap:
            times = rng.poisson(1.0, (n_bootstrap, len(rows))).astype(np.float32)
            drawn[:, sample] += (times @ impact.reshape(len(rows), -1)).reshape(n_bootstrap, *of_sets[1:])
            n_drawn[:, sample] += times.sum(axis=1)
    genes /= n_cells[:, None, None]
    drawn /= np.maximum(n_drawn, 1.0)[:, :, None, None]
    return SampleMeans(genes, means, squares / np.maximum(n_cells - 1, 1)[:, None, None], n_cells, drawn)
