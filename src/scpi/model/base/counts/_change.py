"""Counts of cells after a change of expression.

A count falls by thinning: each molecule is kept with the same probability. It rises by what the rate of the cell brings,
which its own count and the gene's overdispersion tell of: a negative binomial count stays negative binomial, with the
new mean and the same overdispersion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi.model.base.counts._draws import add, thin
from scpi.model.base.counts._match import rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.counts._cells import Cells
    from scpi.model.base.counts._match import Change

    Floats = NDArray[np.floating[Any]]

# Entries whose additions are drawn at once
_BLOCK = 4_000_000


def changed_cells(
    cells: Cells, change: Change, theta: NDArray[np.float64], *, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Counts of cells after a change of the counts of each gene, cells x genes; ``theta`` is (n_genes,)."""
    counts, genes = cells.counts, cells.genes
    kept = thin(counts.data, change.kept[genes], genes, rng)
    parts = [sparse.csc_matrix((kept, counts.indices, counts.indptr), shape=counts.shape)]
    # Cells without a depth have no rate
    known, up = np.flatnonzero(cells.unit > 0), np.flatnonzero(change.added > 0)
    of_known, mean, n_genes = counts[known], cells.mean, max(1, _BLOCK // max(len(known), 1))
    for start in range(0, len(up), n_genes):
        chosen = up[start : start + n_genes]
        before = of_known[:, chosen].toarray().T
        size = before + theta[chosen, None]
        rate = rates(before, cells.unit[None, known], mean[chosen, None], theta[chosen, None])
        parts.append(_placed(add(change.added[chosen, None] * rate, size, rng), known, chosen, counts.shape))
    return _sum(parts)


def changed_counts(
    counts: Floats, log_ratio: Floats, mean: Floats, theta: Floats, *, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Counts of cells after the expression of each has changed by its own factor, all arrays cells x genes.

    ``mean`` is the count that a model expects before the change, and ``theta`` the inverse overdispersion of each gene.
    """
    kept, added = _kept_and_added(log_ratio)
    genes, cells = np.nonzero(counts.T)
    before = counts[cells, genes].astype(np.float64)
    left = thin(before, kept[cells, genes], genes, rng)
    size = (counts + theta).T.astype(np.float64)
    rise = (added * mean / (mean + theta)).T
    whole = np.arange(counts.shape[0]), np.arange(counts.shape[1])
    return _sum([_csr(left, cells, genes, counts.shape), _placed(add(rise * size, size, rng), *whole, counts.shape)])


def expected_counts(counts: Floats, log_ratio: Floats, mean: Floats, theta: Floats) -> NDArray[np.float32]:
    """Expectation of :func:`changed_counts`."""
    kept, added = _kept_and_added(log_ratio)
    return np.asarray(counts * kept + added * mean * (counts + theta) / (mean + theta), dtype=np.float32)


def _kept_and_added(log_ratio: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ratio = np.exp(np.minimum(log_ratio, 20.0, dtype=np.float64))
    return np.minimum(ratio, 1.0), np.maximum(ratio - 1.0, 0.0)


def _placed(
    values: NDArray[np.float64], cells: NDArray[np.intp], genes: NDArray[np.intp], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Values of some genes x some cells, at their places among all."""
    gene, cell = np.nonzero(values)
    return _csr(values[gene, cell], cells[cell], genes[gene], shape)


def _csr(
    values: NDArray[np.float64], cells: NDArray[np.intp], genes: NDArray[np.intp], shape: tuple[int, int]
) -> sparse.csr_matrix:
    return sparse.csr_matrix((values, (cells, genes)), shape=shape)


def _sum(parts: list[Any]) -> sparse.csr_matrix:
    total = sparse.csr_matrix(parts[0], dtype=np.float32)
    for part in parts[1:]:
        total = total + part.astype(np.float32)
    total.eliminate_zeros()
    return total
