"""Rows of a matrix that is not in memory, by their positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._screen._blocks import Transformed, stored_axis
from scpi._screen._matrix import as_matrix, is_stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows that are read at once where some of them are asked for, in a file and of a dask array in larger chunks
_RUN = 256


class StoredRows(Transformed):
    """Rows of a matrix that is not in memory, which are read when they are asked for: CSR or dense, in memory.

    Parameters
    ----------
    source
        Matrix that is not in memory.

    Raises
    ------
    NotImplementedError
        If it is stored by columns, where a row costs as much as all of them.
    """

    def __init__(self, source: Any) -> None:
        if stored_axis(source):
            msg = (
                "The expression is stored by columns (CSC), so that rows cannot be read without reading all of it. Write "
                "it as CSR, or load the data with `adata.to_memory()`."
            )
            raise NotImplementedError(msg)
        super().__init__(source, lambda block: block.values)
        # Part of a chunk costs as much as all of it
        self.run = max(_RUN, source.chunks[0][0]) if hasattr(source, "compute") else _RUN
        self._held: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._values: Any = None

    def __getitem__(self, index: Any) -> Any:
        """Rows by position, mask or slice, in the order in which they are asked for."""
        rows = np.arange(self.shape[0])[index]
        if self._values is not None:
            place = np.searchsorted(self._held, rows).clip(max=len(self._held) - 1)
            if np.array_equal(self._held[place], rows):
                return self._values[place]
        unique, place = np.unique(rows, return_inverse=True)
        values = self._read(unique)
        return values if len(unique) == len(rows) and (rows[1:] > rows[:-1]).all() else values[place]

    def hold(self, rows: NDArray[np.int64]) -> None:
        """Read rows that are asked for next, in ascending order, and keep them until others are held."""
        if rows is not self._held and len(rows):
            # The last ones are given up before the next are read
            self._values, self._held = None, rows
            self._values = self._read(rows)

    def _read(self, rows: NDArray[np.int64]) -> Any:
        """Rows in ascending order."""
        if not len(rows):
            return as_matrix(self.source[0:0])
        run = rows // self.run
        parts = np.split(rows, np.flatnonzero(np.diff(run) > 1) + 1)
        found = [as_matrix(self.source[part[0] : part[-1] + 1])[part - part[0]] for part in parts]
        if len(found) == 1:
            return found[0]
        return sparse.vstack(found, format="csr") if sparse.issparse(found[0]) else np.concatenate(found)


def by_rows(values: Any) -> Any:
    """A matrix of which rows can be taken by position: CSR, an array, or rows that are read when they are asked for."""
    return StoredRows(values) if is_stored(values) and not isinstance(values, StoredRows) else values
