"""Bins of genes with similar expression, from which random gene sets are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Minimum number of genes per bin, so that there are enough for comparison with a set
_FEWEST = 20


def expression_bins(mean: ArrayLike, n_bins: int) -> NDArray[np.intp]:
    """Assign genes to bins of mean expression with equally many genes; with few genes, there are fewer bins."""
    values = np.asarray(mean, dtype=np.float64)
    n_bins = int(np.clip(len(values) // _FEWEST, 1, n_bins))
    codes = np.empty(len(values), dtype=np.intp)
    codes[np.argsort(values, kind="stable")] = np.arange(len(values)) * n_bins // len(values)
    return codes


def one_hot(codes: NDArray[np.intp]) -> sparse.csr_matrix:
    """Encode bins as an indicator matrix, bins x genes."""
    n = len(codes)
    return sparse.csr_matrix((np.ones(n), (codes, np.arange(n))), shape=(int(codes.max()) + 1, n))


def matched_orders(codes: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw random permutations of the genes within bins, orders x genes.

    The genes at the positions of the members of a set are a random set of the same size and expression.
    """
    orders = np.empty((n, len(codes)), dtype=np.intp)
    places = np.argsort(codes, kind="stable")
    for row in orders:
        row[places] = np.argsort(codes + rng.random(len(codes)))
    return orders
