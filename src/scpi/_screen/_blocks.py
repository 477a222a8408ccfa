"""A matrix that is not in memory, read in blocks of cells or of genes; each block is as of `as_matrix`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from scpi._screen._matrix import as_matrix, is_stored
from scpi._screen._turned import Turned, even_ends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

# Values of a block; of sparse chunks, whose number of stored values is not known before they are read, one in eight
_BLOCK = 1 << 23
_DENSITY = 8
# Rows that are summed at a time
_ROWS = 8_192


class Block(NamedTuple):
    """Some rows or columns of a matrix."""

    rows: slice
    """Rows of the block; all of them in a block of columns."""
    columns: slice
    """Columns of the block; all of them in a block of rows."""
    values: Any
    """CSR or dense."""


@dataclass
class Transformed:
    """A matrix that is not in memory, whose blocks are transformed when they are read."""

    source: Any
    """Matrix that is not in memory."""
    function: Callable[[Block], Any]
    """Gives the new values of a block, of the same shape; those of a row or column may depend on its position alone."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.source.shape

    def to_memory(self) -> Any:
        """The whole matrix."""
        return self.function(_whole(as_matrix(self.source)))


def transformed(values: Any, function: Callable[[Block], Any]) -> Any:
    """A function of a matrix: of all of it where it is in memory, otherwise of each block when it is read."""
    if is_stored(values):
        return Transformed(values, function)
    return function(_whole(values))


def blocks(values: Any, axis: int | None = None) -> Iterator[Block]:
    """Read a matrix of any kind, one that is not in memory in blocks of a few million values.

    Parameters
    ----------
    values
        Matrix of rows x columns. One in memory is a single block.
    axis
        0 for blocks of rows, 1 for blocks of columns, `None` for those in which the matrix is stored. A matrix that is
        stored in the other way is read once, and written to a temporary file that holds its values in the order of this
        axis.
    """
    if isinstance(values, Transformed):
        for block in blocks(values.source, axis):
            yield block._replace(values=values.function(block))
    elif not is_stored(values):
        yield _whole(as_matrix(values))
    elif axis is None or axis == stored_axis(values):
        yield from _stored_blocks(values)
    else:
        with Turned(values.shape, axis) as turned:
            for block in _stored_blocks(values):
                turned.add((block.rows, block.columns)[1 - axis].start, block.values)
            for part, matrix in turned.parts(_BLOCK):
                yield _block(values.shape, axis, part, as_matrix(matrix))


def row_blocks(values: Any, n_rows: int) -> Iterator[tuple[slice, Any]]:
    """Read a matrix of any kind at most ``n_rows`` rows at a time: the rows, and their values as of `as_matrix`."""
    for block in blocks(values, 0):
        for start in range(block.rows.start, block.rows.stop, n_rows):
            rows = slice(start, min(start + n_rows, block.rows.stop))
            yield rows, block.values[rows.start - block.rows.start : rows.stop - block.rows.start]


def take_rows(values: Any, rows: NDArray[np.intp]) -> Any:
    """Some rows, in ascending order, of a matrix of any kind: CSR or dense, in memory."""
    if not is_stored(values):
        return as_matrix(values)[rows]
    found = []
    for block in blocks(values, 0):
        inside = rows[(rows >= block.rows.start) & (rows < block.rows.stop)] - block.rows.start
        if len(inside):
            found.append(block.values[inside])
    return sparse.vstack(found, format="csr") if sparse.issparse(found[0]) else np.concatenate(found)


def sum_cells(
    counts: Any, codes: NDArray[np.intp], n_samples: int, *, check: Callable[[Any], Any] = lambda block: block
) -> Any:
    """Sums of the cells of each sample, samples x genes, as sparse as the counts.

    Parameters
    ----------
    counts
        Cells x genes, of any kind, in memory or not. They are read block by block.
    codes
        Sample of each cell; cells with a negative one are left out.
    n_samples
        Number of samples.
    check
        Given each block of cells; what it returns is summed.
    """
    # Sums of all genes, or of each block of genes
    totals: dict[int, Any] = {}
    for block in blocks(counts):
        first_gene = block.columns.start
        for start in range(block.rows.start, block.rows.stop, _ROWS):
            rows = slice(start, min(start + _ROWS, block.rows.stop))
            values = block.values[rows.start - block.rows.start : rows.stop - block.rows.start]
            part = _sums_of_samples(check(values), codes[rows], n_samples)
            totals[first_gene] = totals[first_gene] + part if first_gene in totals else part
    parts = list(totals.values())
    if len(parts) == 1:
        return parts[0]
    return sparse.hstack(parts, format="csr") if sparse.issparse(parts[0]) else np.concatenate(parts, axis=1)


def _sums_of_samples(counts: Any, codes: NDArray[np.intp], n_samples: int) -> Any:
    used = np.flatnonzero(codes >= 0)
    # Few samples have cells in a block, and a dense product has a row for each
    present, sample = np.unique(codes[used], return_inverse=True)
    member = sparse.csr_matrix((np.ones(len(used)), (sample, used)), shape=(len(present), counts.shape[0]))
    part = member @ counts
    if sparse.issparse(part):
        shape = n_samples, len(present)
        return sparse.csr_matrix((np.ones(len(present)), (present, np.arange(len(present)))), shape) @ part
    total = np.zeros((n_samples, counts.shape[1]))
    total[present] = part
    return total


def _whole(matrix: Any) -> Block:
    n_rows, n_columns = matrix.shape
    return Block(slice(0, n_rows), slice(0, n_columns), matrix)


def _stored_blocks(values: Any) -> Iterator[Block]:
    axis = stored_axis(values)
    start = 0
    for end in _ends(values, axis):
        part = slice(start, end)
        yield _block(values.shape, axis, part, as_matrix(values[:, part] if axis else values[part]))
        start = end


def _block(shape: tuple[int, int], axis: int, part: slice, values: Any) -> Block:
    rows, columns = (part if number == axis else slice(0, size) for number, size in enumerate(shape))
    return Block(rows, columns, values)


def stored_axis(values: Any) -> int:
    """Whether a matrix is stored by rows (0) or by columns (1)."""
    if hasattr(values, "chunks") and hasattr(values, "compute"):
        n_row_chunks, n_column_chunks = map(len, values.chunks)
        return int(n_row_chunks == 1 and n_column_chunks > 1)
    return int(getattr(values, "format", "csr") == "csc")


def _ends(values: Any, axis: int) -> list[int]:
    """Ends of blocks of about as many values."""
    n_across = values.shape[1 - axis]
    if hasattr(values, "compute"):
        # Part of a chunk costs as much as all of it
        ends = np.cumsum(values.chunks[axis])
        total = ends * n_across / (_DENSITY if sparse.issparse(values._meta) else 1)
    elif hasattr(values, "format"):
        ends, total = np.arange(1, values.shape[axis] + 1), values.group["indptr"][1:]
    else:
        ends = np.arange(1, values.shape[axis] + 1)
        total = ends * n_across
    return even_ends(ends, total, _BLOCK)
