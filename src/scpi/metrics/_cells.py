"""Cells of one condition, dense or sparse: what the metrics of means and spreads share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._screen._matrix import as_matrix, means, stored_values
from scpi.metrics._arrays import as_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

_BLOCK = 1 << 20


def as_cells(values: ArrayLike, name: str, *, min_cells: int = 1) -> Any:
    """Give finite cells x genes: CSR of any type where it was sparse, otherwise an array of float64."""
    matrix = as_matrix(values, name=name)
    if not sparse.issparse(matrix):
        matrix = matrix.astype(np.float64, copy=False)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        msg = f"`{name}` must be cells x genes, but has shape {matrix.shape}."
        raise ValueError(msg)
    if matrix.shape[0] < min_cells:
        msg = f"`{name}` has {matrix.shape[0]} cell(s), but at least {min_cells} are needed."
        raise ValueError(msg)
    if not np.isfinite(stored_values(matrix)).all():
        msg = f"`{name}` has NaN or infinite values."
        raise ValueError(msg)
    return matrix


def check_genes(real: Any, other: Any, name: str = "predicted", *, first: str = "real") -> None:
    """Refuse cells of other genes."""
    if real.shape[1] != other.shape[1]:
        msg = f"`{first}` has {real.shape[1]} genes and `{name}` {other.shape[1]}: they must be the same genes."
        raise ValueError(msg)


def select_genes(cells: Any, genes: ArrayLike | None) -> Any:
    """Give the columns of some genes, all if `None`."""
    if genes is None:
        return cells
    chosen = as_array(genes)
    if chosen.ndim != 1 or chosen.dtype.kind not in "biu" or len(chosen) == 0:
        msg = f"`genes` must be positions of genes or a boolean mask, but is of shape {chosen.shape} and dtype {chosen.dtype}."
        raise ValueError(msg)
    return cells[:, chosen]


def mean_of(cells: Any) -> NDArray[np.float64]:
    """Mean of each gene."""
    return means(cells)


def mean_and_variance(cells: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each gene and its variance, with the number of cells less one in the denominator."""
    mean = mean_of(cells)
    if not sparse.issparse(cells):
        return mean, cells.var(axis=0, ddof=1)
    n, n_genes = cells.shape
    # Around the mean, so that a large one does not drown a small variance; all zeros of a gene are equally far away
    squares, n_stored = np.zeros((2, n_genes))
    for genes, stored in stored_blocks(cells):
        squares += np.bincount(genes, (stored - mean[genes]) ** 2, minlength=n_genes)
        n_stored += np.bincount(genes, minlength=n_genes)
    return mean, (squares + (n - n_stored) * mean**2) / (n - 1)


def stored_blocks(cells: Any) -> Iterator[tuple[NDArray[np.integer], NDArray[np.float64]]]:
    """Gene and value of the entries that a sparse matrix stores, a million at a time, in double precision."""
    for start in range(0, cells.nnz, _BLOCK):
        part = slice(start, start + _BLOCK)
        yield cells.indices[part], cells.data[part].astype(np.float64)
