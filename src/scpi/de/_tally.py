"""Sufficient statistics of count likelihoods, computed in one compiled pass without a copy of the counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

# Counts up to here are summed over one by one
_EXACT = 64


@dataclass(frozen=True)
class Tally:
    """Sufficient statistics of the counts of cells, genes x bins of depth.

    Cells of about the same depth are taken to have the depth of their bin.
    """

    depth: NDArray[np.float64]
    """Size factor of each bin."""
    total: NDArray[np.float64]
    """Sum of the counts, genes x bins."""
    zeros: NDArray[np.float64]
    """Cells without the gene, genes x bins."""
    found: NDArray[np.float64]
    """Cells with the gene, genes x bins."""
    above: NDArray[np.float64]
    """Cells with a count of more than k = 1, 2, ..., genes x k."""
    large: tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]
    """Gene, count and number of cells of the counts that are too large for `above`."""

    @property
    def n_genes(self) -> int:
        return len(self.total)

    def __sub__(self, part: Tally) -> Tally:
        """The other cells, of the same genes and bins."""
        gene, count, weight = (
            np.concatenate([mine, theirs]) for mine, theirs in zip(self.large, part.large, strict=True)
        )
        weight[len(self.large[0]) :] *= -1.0
        return Tally(
            depth=self.depth,
            total=self.total - part.total,
            zeros=self.zeros - part.zeros,
            found=self.found - part.found,
            above=self.above - part.above,
            large=(gene, count, weight),
        )

    def take(self, genes: NDArray[np.intp]) -> Tally:
        """Some of the genes, in the given order."""
        gene, count, weight = self.large
        at = np.full(self.n_genes, -1)
        at[genes] = np.arange(len(genes))
        kept = at[gene] >= 0
        above = self.above[genes]
        if not kept.any():
            # Nothing is above the largest count
            above = above[:, : int(above.any(axis=0).sum())]
        return Tally(
            depth=self.depth,
            total=self.total[genes],
            zeros=self.zeros[genes],
            found=self.found[genes],
            above=above,
            large=(at[gene[kept]], count[kept], weight[kept]),
        )


def genes_of(counts: sparse.csr_matrix, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    """Genes that some cells have, and how far to count their counts one by one."""
    seen = np.zeros(counts.shape[1], dtype=np.bool_)
    largest = _see(counts.data, counts.indices, counts.indptr, rows, seen)
    return np.flatnonzero(seen), int(min(_EXACT, max(2, largest)))


def tally(
    counts: sparse.csr_matrix,
    rows: NDArray[np.intp],
    genes: NDArray[np.intp],
    bins: NDArray[np.intp],
    depth: NDArray[np.float64],
    width: int,
) -> Tally:
    """Tally some cells of a matrix of cells x genes.

    Parameters
    ----------
    counts
        Counts of all cells and genes. Zeros may be among the stored values.
    rows
        Cells to tally.
    genes
        Genes to tally, among which are all that the cells have.
    bins
        Bin of the depth of each of these cells.
    depth
        Depth of each bin.
    width
        How far to count one by one.
    """
    n_genes, n_bins = len(genes), len(depth)
    at = np.full(counts.shape[1], -1)
    at[genes] = np.arange(n_genes)
    # A cell is of one bin, so that its genes are next to each other
    total, found = np.zeros((2, n_bins, n_genes))
    histogram = np.zeros((width + 1, n_genes))
    parts = counts.data, counts.indices, counts.indptr, rows, at
    n_large = _count(*parts, bins, width, total, found, histogram)
    large = np.empty(n_large, dtype=np.intp), np.empty(n_large), np.ones(n_large)
    if n_large:
        _find_large(*parts, width, *large[:2])
    # Cells with a count of k + 1 or more, for k = 1 to width - 1
    above = np.cumsum(histogram[:1:-1], axis=0)[::-1]
    zeros = np.bincount(bins, minlength=n_bins)[:, None] - found
    total, found, zeros, above = (np.ascontiguousarray(part.T) for part in (total, found, zeros, above))
    return Tally(depth=depth, total=total, zeros=zeros, found=found, above=above, large=large)


@njit(nogil=True, cache=True)
def _see(data, indices, indptr, rows, seen):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    largest = 0.0
    for row in rows:
        for i in range(indptr[row], indptr[row + 1]):
            value = np.float64(data[i])
            if value > 0:
                seen[indices[i]] = True
                largest = max(largest, value)
    return largest


@njit(nogil=True, cache=True)
def _count(  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    data, indices, indptr, rows, at, bins, width, total, found, histogram
):
    n_large = 0
    for k in range(len(rows)):
        of_total, of_found = total[bins[k]], found[bins[k]]
        for i in range(indptr[rows[k]], indptr[rows[k] + 1]):
            value = np.float64(data[i])
            if value > 0:
                gene = at[indices[i]]
                of_total[gene] += value
                of_found[gene] += 1.0
                if value > width:
                    n_large += 1
                    value = np.float64(width)
                histogram[int(value), gene] += 1.0
    return n_large


@njit(nogil=True, cache=True)
def _find_large(data, indices, indptr, rows, at, width, genes, counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    n = 0
    for row in rows:
        for i in range(indptr[row], indptr[row + 1]):
            if data[i] > width:
                genes[n], counts[n] = at[indices[i]], data[i]
                n += 1
