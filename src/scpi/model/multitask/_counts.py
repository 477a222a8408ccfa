"""Counts of cells: on the scale of logarithms, and after a change of expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Depth to which counts are scaled
DEPTH = 1e4


def log_normalised(counts: Any, depth: NDArray[np.floating[Any]] | None = None) -> Any:
    """log1p of counts scaled from the depth of each cell to 10,000, cells x genes; sparse counts stay sparse.

    The depth is the sum of the counts if ``None``. Cells without counts stay 0.
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

    Where the factor is below 1, every count is kept with that probability. Where it is above 1, counts are added, as
    many as the cell's expression, estimated from its own count and from the ``mean`` count that the network expects
    before the change, brings at the rate by which it has risen. All arrays are cells x genes; ``theta`` is the inverse
    overdispersion of each gene. Without ``rng`` the result is the expectation.
    """
    ratio = np.exp(np.minimum(log_ratio, 20.0))
    kept, added = np.minimum(ratio, 1.0), np.maximum(ratio - 1.0, 0.0)
    # The posterior mean of a rate with a gamma prior of this mean, of which one count is known
    rate = mean * (counts + theta) / (mean + theta)
    if rng is None:
        return np.asarray(counts * kept + added * rate, dtype=np.float32)
    return np.asarray(rng.binomial(counts.astype(np.int64), kept) + rng.poisson(added * rate), dtype=np.float32)
