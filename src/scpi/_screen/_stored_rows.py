"""Rows of a matrix that is not in memory, by their positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._screen._blocks import Transformed, blocks, stored_axis
from scpi._screen._matrix import as_matrix, is_stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

# Rows that are drawn together, in a file and of a dask array in larger chunks
_RUN = 256
# Rows of a file between two that are asked for, of which more take longer to read than to begin anew
_GAP = 32
# Rows that are read at once, of which those that are asked for are kept
_SPAN = 4_096


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
        gap = self.run if hasattr(self.source, "compute") else _GAP
        is_apart = (np.diff(rows) > gap) | (np.diff(rows // max(self.run, _SPAN)) > 0)
        parts = np.split(rows, np.flatnonzero(is_apart) + 1)
        found = [as_matrix(self.source[part[0] : part[-1] + 1])[part - part[0]] for part in parts]
        if len(found) == 1:
            return found[0]
        return sparse.vstack(found, format="csr") if sparse.issparse(found[0]) else np.concatenate(found)


def runs_of(cells: NDArray[np.int64], run: int) -> list[NDArray[np.int64]]:
    """Positions in ascending order, divided where the next one is in another run of ``run`` neighbours."""
    return np.split(cells, np.flatnonzero(np.diff(cells // run)) + 1)


def shuffled_nearby(
    cells: NDArray[np.int64], rng: np.random.Generator, *, run: int, ends: Sequence[int] | NDArray[np.int64]
) -> NDArray[np.int64]:
    """Cells, given in ascending order, such that those between two ``ends`` are from few runs of neighbours.

    The order of the runs is random, and so is that of the cells between two ends.
    """
    runs = runs_of(cells, run)
    order = np.concatenate([runs[i] for i in rng.permutation(len(runs))])
    for together in np.split(order, ends):
        rng.shuffle(together)
    return order


def checked_rows(values: Any, check: Callable[[Any], Any]) -> Any:
    """As :func:`by_rows`, once ``check`` has seen the whole matrix in memory, or each block of one that is not.

    One that is stored by columns is read into memory.
    """
    if not is_stored(values):
        return check(values)
    if stored_axis(values):
        return check(as_matrix(values))
    for block in blocks(values):
        check(block.values)
    return by_rows(values)


def read_ahead(values: Any, parts: Iterable[NDArray[np.intp]], n_rows: int | None = None) -> Iterator[NDArray[np.intp]]:
    """Parts of the rows; where a matrix is not in memory, parts of a run, or of ``n_rows``, are read before they are given."""
    if not isinstance(values, StoredRows):
        yield from parts
        return
    ahead: list[NDArray[np.intp]] = []
    for part in parts:
        ahead.append(part)
        if sum(map(len, ahead)) >= (n_rows or values.run):
            values.hold(np.unique(np.concatenate(ahead)))
            yield from ahead
            ahead = []
    if ahead:
        values.hold(np.unique(np.concatenate(ahead)))
        yield from ahead


def by_rows(values: Any) -> Any:
    """A matrix of which rows can be taken by position: CSR, an array, or rows that are read when they are asked for."""
    return StoredRows(values) if is_stored(values) and not isinstance(values, StoredRows) else values
