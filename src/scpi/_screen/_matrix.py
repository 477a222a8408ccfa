"""How a matrix of any kind becomes what a computation reads: a canonical CSR matrix or an array, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import DTypeLike, NDArray

# Stored values that are held in double precision at a time
_BLOCK = 1 << 20
# Rows that are summed at a time
_ROWS = 8_192
_STORED = frozenset({"dask", "h5py", "zarr"})


def is_stored(values: Any) -> bool:
    """Whether a matrix is not in memory: in an HDF5 file or a zarr store, or a dask array that is yet to be computed."""
    # A sparse matrix in a file is a class of anndata's own; a view of a dask array is a subclass
    roots = {base.__module__.partition(".")[0] for base in type(values).__mro__}
    return bool(roots & _STORED) or (hasattr(values, "to_memory") and hasattr(values, "shape"))


def as_matrix(values: Any, *, name: str = "values") -> Any:
    """Read rows x columns of any kind into memory: a canonical :class:`scipy.sparse.csr_matrix` or an array.

    Libraries such as illico, numba and torch take the classes of NumPy and SciPy alone, not the subclasses that anndata
    makes for its views, and a computation on the stored values of a sparse matrix is wrong where an entry is stored
    twice. The indices of the CSR matrix are sorted. What was given is returned, or its numbers are shared, where it has
    that form, and is never changed. ``name`` is what the `ValueError` for ``None`` calls it.
    """
    if values is None:
        msg = f"`{name}` is empty: name the layer to use with `layer=`."
        raise ValueError(msg)
    if is_stored(values):
        values = _loaded(values)
    return _canonical(values) if sparse.issparse(values) else _native(np.asarray(values))


def stored_values(matrix: Any) -> NDArray[Any]:
    """Values that a matrix in memory stores: those of a sparse one without the zeros between them."""
    return np.asarray(matrix.data if sparse.issparse(matrix) else matrix)


def as_dense(matrix: Any, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """A matrix in memory as an array."""
    return np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix, dtype=dtype)


def stack_rows(blocks: Iterable[NDArray[Any]], n_rows: int) -> NDArray[Any]:
    """One dense matrix of blocks of rows, ``n_rows`` in all, which is not held twice."""
    out: NDArray[Any] = np.empty((0, 0))
    start = 0
    for block in blocks:
        if start == 0:
            out = np.empty((n_rows, block.shape[1]), dtype=block.dtype)
        out[start : start + len(block)] = block
        start += len(block)
    return out


def dense_rows(matrix: Any, index: Any, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Some rows of a matrix in memory as an array, contiguous."""
    return np.ascontiguousarray(as_dense(matrix[index]), dtype=dtype)


def sums(matrix: Any, axis: int) -> NDArray[np.float64]:
    """Sums of the columns (``axis=0``) or rows (``axis=1``) of a matrix in memory, in double precision."""
    if not sparse.issparse(matrix):
        return np.asarray(matrix.sum(axis=axis, dtype=np.float64))
    # SciPy sums in the precision of the matrix, and a product with numbers of another copies all values
    rows = matrix if matrix.format in ("csr", "csc") else matrix.tocsr()
    return _sums_within(rows) if (rows.format == "csr") == (axis == 1) else _sums_across(rows)


def _sums_within(matrix: Any) -> NDArray[np.float64]:
    """Sums of the rows of a CSR matrix, or of the columns of a CSC matrix."""
    found = np.zeros(len(matrix.indptr) - 1)
    # NumPy makes a copy of all that it is given in double precision
    for start in range(0, len(found), _ROWS):
        ends = matrix.indptr[start : start + _ROWS + 1]
        filled = np.diff(ends) > 0
        if filled.any():
            stored = matrix.data[ends[0] : ends[-1]]
            found[start : start + _ROWS][filled] = np.add.reduceat(
                stored, ends[:-1][filled] - ends[0], dtype=np.float64
            )
    return found


def _sums_across(matrix: Any) -> NDArray[np.float64]:
    """Sums of the columns of a CSR matrix, or of the rows of a CSC matrix."""
    found = np.zeros(matrix.shape[1] if matrix.format == "csr" else matrix.shape[0])
    for start in range(0, matrix.nnz, _BLOCK):
        block = slice(start, start + _BLOCK)
        found += np.bincount(matrix.indices[block], matrix.data[block], minlength=len(found))
    return found


def means(matrix: Any, axis: int = 0) -> NDArray[np.float64]:
    """Means of the columns (``axis=0``) or rows (``axis=1``) of a matrix in memory, in double precision."""
    return sums(matrix, axis) / matrix.shape[axis]


def without_zeros(matrix: Any) -> Any:
    """A sparse matrix without zeros among its stored values: itself where there are none."""
    if matrix.data.all():
        return matrix
    matrix = matrix.copy()
    matrix.eliminate_zeros()
    return matrix


def _loaded(values: Any) -> Any:
    for method in ("compute", "to_memory"):
        if hasattr(values, method):
            return getattr(values, method)()
    return values[...]


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """Numbers in the byte order of the machine, which compiled code asks for, and of half precision in single."""
    if array.dtype == np.float16:
        return array.astype(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _canonical(matrix: Any) -> Any:
    if type(matrix) is not sparse.csr_matrix or not matrix.data.dtype.isnative:
        if matrix.ndim != 2:
            return matrix.toarray()
        rows = matrix.tocsr()
        parts = (_native(np.asarray(part)) for part in (rows.data, rows.indices, rows.indptr))
        matrix = sparse.csr_matrix(tuple(parts), shape=rows.shape)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix
