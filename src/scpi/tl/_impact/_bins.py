"""Genes of similar expression, among which random gene sets are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Fewer genes in a bin leave a set little to be compared with
_FEWEST = 20


def expression_bins(mean: ArrayLike, n_bins: int) -> NDArray[np.intp]:
    """Bin of each gene: bins of equally many genes by mean expression, fewer than asked for where genes are few."""
    values = np.asarray(mean, dtype=np.float64)
    n_bins = int(np.clip(len(values) // _FEWEST, 1, n_bins))
    codes = np.empty(len(values), dtype=np.intp)
    codes[np.argsort(values, kind="stable")] = np.arange(len(values)) * n_bins // len(values)
    return codes


def one_hot(codes: NDArray[np.intp]) -> sparse.csr_matrix:
    """Bins x genes."""
    n = len(codes)
    return sparse.csr_matrix((np.ones(n), (codes, np.arange(n))), shape=(int(codes.max()) + 1, n))


def matched_orders(codes: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Random orders of the genes that change places within bins only, orders x genes.

    What stands in the places of the members of a set is a random set of the same size and expression.
    """
    orders = np.empty((n, len(codes)), dtype=np.intp)
    places = np.argsort(codes, kind="stable")
    for row in orders:
        row[places] = np.argsort(codes + rng.random(len(codes)))
    return orders
