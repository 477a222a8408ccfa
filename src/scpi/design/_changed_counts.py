"""Counts of cells after their rates were multiplied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def multiply_rates(counts: Floats, ratio: Floats, mean: Floats, size: Floats, rng: np.random.Generator) -> Floats:
    """Draw the counts of cells after their rates were multiplied by ``ratio``, all cells x genes.

    Counts decrease by thinning. They increase by additional counts at the rate of the cell, which has a gamma
    distribution given the count. A negative binomial count with this ``mean`` and the inverse overdispersion ``size``
    (n_genes,) stays negative binomial, with its mean multiplied and the same overdispersion. Cells are drawn
    independently, as a test of cells assumes. Predicted cells are not independent, because their draws are spread
    evenly to make their mean exact.
    """
    changed = counts.copy()
    down = (ratio < 1) & (counts > 0)
    changed[down] = rng.binomial(counts[down].astype(np.int64), ratio[down])
    cells, genes = np.nonzero((ratio > 1) & (mean > 0))
    before, expected, shape = counts[cells, genes], mean[cells, genes], size[genes]
    rate = rng.gamma(before + shape, expected / (expected + shape))
    changed[cells, genes] += rng.poisson((ratio[cells, genes] - 1.0) * rate)
    return changed
