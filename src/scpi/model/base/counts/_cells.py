"""Counts of measured cells beside their registered expression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]


# Of the logarithms of counts and of the expression that was made from them
_TOLERANCE = 0.05
# Cells of about the same depth are taken to have the same
_N_BINS = 4


class Classes(NamedTuple):
    """Cells with about the same count of a gene and the same depth."""

    gene: Places
    counts: Floats
    unit: Floats
    """Worth of a count."""
    n_cells: Floats

    def take(self, genes: NDArray[np.bool_]) -> Classes:
        """Classes of some genes, which are numbered anew."""
        own, place = genes[self.gene], np.cumsum(genes) - 1
        return Classes(place[self.gene[own]], self.counts[own], self.unit[own], self.n_cells[own])


@dataclass(frozen=True, eq=False)
class Cells:
    """Counts of cells, and what a count is worth on the scale of which the registered expression is the log1p."""

    counts: sparse.csc_matrix
    """Cells x genes, with positive entries only, in the order of the cells."""
    units: Floats
    """Worth of a count, for every entry."""
    unit: Floats
    """Worth of a count where there is none yet, (n_cells,); 0 for cells without any."""
    is_linear: bool = False
    """Whether the registered expression is the counts, and not the log1p of what they are worth."""

    @classmethod
    def of_counts(cls, counts: Any, logs: Any) -> Self:
        """Cells with known counts, and the log-normalised expression that was made from all or some of them."""
        counts = _clean(counts)
        total = np.asarray(counts.sum(1)).ravel()
        scaled = np.asarray(_expm1(logs).sum(1), dtype=np.float64).ravel()
        unit = np.divide(scaled, total, out=np.zeros(len(total)), where=total > 0)
        return cls(counts, unit[counts.indices], unit)

    @classmethod
    def of_logs(cls, logs: Any) -> Self:
        """Cells of which only log-normalised expression is known: the smallest value of a cell is taken for a count.

        Counts are as exact as the values are multiples of it, and what is left of a value belongs to its unit.
        """
        values = _clean(_expm1(logs))
        rows = values.tocsr()
        unit = np.zeros(values.shape[0])
        some = np.diff(rows.indptr) > 0
        unit[some] = np.minimum.reduceat(rows.data, rows.indptr[:-1][some]) if some.any() else 0.0
        counts = np.maximum(np.rint(values.data / unit[values.indices]), 1.0)
        return cls(_with_data(values, counts), values.data / counts, unit)

    @classmethod
    def of_registered_counts(cls, counts: Any) -> Self:
        """Cells whose registered expression is the counts."""
        counts = _clean(counts)
        return cls(counts, np.ones(counts.nnz), np.ones(counts.shape[0]), is_linear=True)

    @cached_property
    def genes(self) -> NDArray[np.intp]:
        """Gene of every entry."""
        return np.repeat(np.arange(self.counts.shape[1]), np.diff(self.counts.indptr))

    @cached_property
    def level(self) -> Floats:
        """Mean of the registered expression of each gene."""
        worth = self.counts.data if self.is_linear else np.log1p(self.units * self.counts.data)
        return np.asarray(_with_data(self.counts, worth).sum(0)).ravel() / max(self.counts.shape[0], 1)

    def explain(self, logs: Any) -> bool:
        """Whether the counts are what log-normalised expression was made from."""
        found = self.logs(self.counts) - _clean(logs)
        return found.nnz == 0 or float(abs(found).max()) < _TOLERANCE

    @cached_property
    def mean(self) -> Floats:
        """Mean of the scaled counts of each gene, in which cells count by their depth."""
        depth = np.divide(1.0, self.unit, out=np.zeros(len(self.unit)), where=self.unit > 0).sum()
        return np.asarray(self.counts.sum(0)).ravel() / (depth if depth > 0 else 1.0)

    @cached_property
    def scaled_total(self) -> Floats:
        """Sum of what the counts of each cell are worth, (n_cells,); cells scaled over these genes have all the same."""
        worth = self.units * self.counts.data
        return np.asarray(np.bincount(self.counts.indices, weights=worth, minlength=self.counts.shape[0]), np.float64)

    def largest_totals(self, scaled_total: float) -> NDArray[np.int64]:
        """Largest total count of each cell whose scaled total is at most the given one, or that of the cell."""
        scaled = np.maximum(self.scaled_total, scaled_total)
        return np.rint(np.divide(scaled, self.unit, out=np.zeros(len(scaled)), where=self.unit > 0)).astype(np.int64)

    @cached_property
    def classes(self) -> Classes:
        """Classes of the cells that have a depth."""
        n_genes = self.counts.shape[1]
        edges = np.quantile(self.unit, np.linspace(0.0, 1.0, _N_BINS + 1)[1:-1])
        bins = np.searchsorted(edges, self.unit)
        gene, bin_, count = self.genes, bins[self.counts.indices], self.counts.data
        key = (gene * _N_BINS + bin_) * (count.max(initial=0.0) + 1.0) + count
        _, first, which, size = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
        unit = np.bincount(which, weights=self.units) / size
        # Cells without the gene
        known = self.unit > 0
        of_bin = np.bincount(bins[known], minlength=_N_BINS)
        absent = of_bin - np.bincount(gene * _N_BINS + bin_, minlength=n_genes * _N_BINS).reshape(n_genes, _N_BINS)
        of_zero = np.bincount(bins, weights=self.unit, minlength=_N_BINS) / np.maximum(of_bin, 1)
        n_cells = np.concatenate([size, absent.ravel()]).astype(np.float64)
        there = n_cells > 0
        return Classes(
            np.concatenate([gene[first], np.repeat(np.arange(n_genes), _N_BINS)])[there],
            np.concatenate([count[first], np.zeros(n_genes * _N_BINS)])[there],
            np.concatenate([unit, np.tile(of_zero, n_genes)])[there],
            n_cells[there],
        )

    def take(self, cells: NDArray[np.intp]) -> Self:
        """Some of the cells."""
        units = _with_data(self.counts, self.units)[cells]
        return replace(self, counts=self.counts[cells], units=units.data, unit=self.unit[cells])

    def logs(self, counts: Any) -> sparse.csr_matrix:
        """log1p of other counts of these cells, scaled as their own, cells x genes."""
        own = _with_data(self.counts, self.units / self.unit[self.counts.indices] - 1.0)
        scaled = sparse.csr_matrix(counts, dtype=np.float64)
        scaled = scaled + scaled.multiply(own)
        return sparse.csr_matrix(sparse.diags(self.unit) @ scaled).log1p().astype(np.float32)


class Part(NamedTuple):
    """Some of the cells."""

    places: Places
    cells: Cells


def parts_of(cells: Cells, codes: NDArray[np.int64]) -> tuple[Part, ...]:
    """Cells by their codes."""
    order = np.argsort(codes, kind="stable")
    places = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    return tuple(Part(own, cells if len(places) == 1 else cells.take(own)) for own in places)


def _clean(values: Any) -> sparse.csc_matrix:
    """Values by columns, in double precision, without zeros."""
    matrix = sparse.csc_matrix(values, dtype=np.float64)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def _with_data(matrix: sparse.csc_matrix, data: Floats) -> sparse.csc_matrix:
    """Other values at the places of a matrix."""
    return sparse.csc_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _expm1(logs: Any) -> Any:
    return logs.expm1() if sparse.issparse(logs) else np.expm1(logs)
