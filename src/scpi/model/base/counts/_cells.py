"""Counts of measured cells beside their registered expression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


# Of the logarithms of counts and of the expression that was made from them
_TOLERANCE = 0.05


@dataclass(frozen=True)
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

    @property
    def genes(self) -> NDArray[np.intp]:
        """Gene of every entry."""
        return np.repeat(np.arange(self.counts.shape[1]), np.diff(self.counts.indptr))

    @property
    def level(self) -> Floats:
        """Mean of the registered expression of each gene."""
        worth = self.counts.data if self.is_linear else np.log1p(self.units * self.counts.data)
        return np.asarray(_with_data(self.counts, worth).sum(0)).ravel() / max(self.counts.shape[0], 1)

    def explain(self, logs: Any) -> bool:
        """Whether the counts are what log-normalised expression was made from."""
        found = self.logs(self.counts) - _clean(logs)
        return found.nnz == 0 or float(abs(found).max()) < _TOLERANCE

    @property
    def mean(self) -> Floats:
        """Mean of the scaled counts of each gene, in which cells count by their depth."""
        depth = np.divide(1.0, self.unit, out=np.zeros(len(self.unit)), where=self.unit > 0).sum()
        return np.asarray(self.counts.sum(0)).ravel() / (depth if depth > 0 else 1.0)

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
