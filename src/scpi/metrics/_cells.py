"""Cells of one condition, dense or sparse: what the metrics of means and spreads share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._screen._matrix import as_matrix, means, stored_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def as_cells(values: ArrayLike, name: str, *, min_cells: int = 1) -> Any:
    """Give finite float64 cells x genes: CSR where it was sparse, otherwise an array."""
    matrix = as_matrix(values, name=name).astype(np.float64, copy=False)
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
    chosen = np.asarray(genes)
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
    squares = np.bincount(cells.indices, (cells.data - mean[cells.indices]) ** 2, minlength=n_genes)
    n_zeros = n - np.bincount(cells.indices, minlength=n_genes)
    return mean, (squares + n_zeros * mean**2) / (n - 1)
