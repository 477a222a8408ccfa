"""Counts of cells after a change of expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
