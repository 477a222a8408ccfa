"""Recovery of counts from log-normalised values."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def recover_counts(matrix: sparse.csr_matrix, *, tolerance: float = 0.25) -> sparse.csr_matrix:
    """Undo `log1p` and the normalisation of each cell to a common total; cells x genes, as float32.

    The smallest value of a cell is assumed to be one count. The unit is then fitted to all values of the cell, because
    rounding of the stored values would otherwise make large counts miss an integer. A `ValueError` says if a value is
    farther than ``tolerance`` from one: the values are not log-normalised counts, or no count in a cell is one.
    """
    matrix = sparse.csr_matrix(matrix, dtype=np.float64, copy=True)
    matrix.eliminate_zeros()
    values, starts = np.expm1(matrix.data), matrix.indptr[:-1]
    n_values = np.diff(matrix.indptr)
    cell = np.repeat(np.arange(matrix.shape[0]), n_values)
    filled = n_values > 0
    if not (np.isfinite(values).all() and (values > 0).all()):
        msg = "Counts can only be recovered from finite, non-negative values."
        raise ValueError(msg)
    unit = np.ones(matrix.shape[0])
    unit[filled] = np.minimum.reduceat(values, starts[filled]) if len(values) else 1.0
    counts = np.round(values / unit[cell])
    # Least squares of values = unit * counts in each cell
    fitted = np.bincount(cell, values * counts, len(unit)) / np.maximum(np.bincount(cell, counts**2, len(unit)), 1.0)
    deviation = np.abs(values / fitted[cell] - counts)
    if len(values) and deviation.max() > tolerance:
        msg = f"These are not log-normalised counts: a value is {deviation.max():.2g} of a count away from an integer."
        raise ValueError(msg)
    matrix.data = counts.astype(np.float32)
    return matrix.astype(np.float32)
