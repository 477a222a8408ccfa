"""Counts of cells: on the scale of logarithms, and after a change of expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Depth to which counts are scaled
DEPTH = 1e4


def depth_per_size(counts: Any, size_factor: NDArray[np.floating[Any]]) -> float:
    """Counts that a size factor of 1 stands for in these cells.

    Parameters
    ----------
    counts
        Counts, cells x genes, dense or sparse.
    size_factor
        Size factor of each cell.
    """
    return max(float(counts.sum()), 1.0) / float(np.sum(size_factor, dtype=np.float64))


def log_normalised(counts: Any, depth: NDArray[np.floating[Any]] | None = None) -> Any:
    """log1p of counts scaled to a depth of 10,000, cells x genes; sparse counts stay sparse.

    Parameters
    ----------
    counts
        Counts, dense or sparse. Cells without any stay 0.
    depth
        Depth of each cell; the sum of its counts if ``None``.
    """
    depth = np.asarray(counts.sum(1) if depth is None else depth, dtype=np.float64).reshape(-1, 1)
    depth = np.where(depth == 0, 1.0, depth)
    if sparse.issparse(counts):
        return counts.multiply(DEPTH / depth).tocsr().log1p()
    return np.log1p(counts / depth * DEPTH)


def changed_counts(
    counts: NDArray[np.floating[Any]],
    log_ratio: NDArray[np.floating[Any]],
    mean: NDArray[np.floating[Any]],
    theta: NDArray[np.floating[Any]],
    *,
    rng: np.random.Generator | None,
) -> NDArray[np.float32]:
    """Counts of cells after their expression has changed by a factor.

    Where the factor is below 1, every count is kept with that probability. Where it is above 1, counts are added, as many
    as the cell's expression, of which both its own count and the network tell, brings at the rate by which it has risen.

    Parameters
    ----------
    counts
        Counts, cells x genes.
    log_ratio
        Logarithm of the factor, likewise.
    mean
        Mean of the counts that the network expects before the change, likewise.
    theta
        Inverse overdispersion of each gene.
    rng
        Draws counts; their expectation if ``None``.
    """
    ratio = np.exp(np.minimum(log_ratio, 20.0))
    kept, added = np.minimum(ratio, 1.0), np.maximum(ratio - 1.0, 0.0)
    # The posterior mean of a rate with a gamma prior of this mean, of which one count is known
    rate = mean * (counts + theta) / (mean + theta)
    if rng is None:
        return np.asarray(counts * kept + added * rate, dtype=np.float32)
    return np.asarray(rng.binomial(counts.astype(np.int64), kept) + rng.poisson(added * rate), dtype=np.float32)
