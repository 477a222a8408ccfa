"""A sparse matrix that is stored by rows, read by columns, or the other way round, through a temporary file."""

from __future__ import annotations

import errno
import tempfile
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True)
class _Piece:
    """A block in the file."""

    start: int
    """First row or column of the block, across the axis."""
    place: int
    """Position of its values in the file; their indices follow."""
    pointer: NDArray[Any]
    """Number of its values before each position along the axis."""


@dataclass
class Turned:
    """Blocks of rows in a temporary file that is read by columns (``axis=1``), or blocks of columns read by rows (0).

    It needs as much room in the folder of temporary files as the matrix has values and indices. The file has no name, so
    that nothing is left of it whatever happens.
    """

    shape: tuple[int, int]
    """Rows and columns of the whole matrix."""
    axis: int
    """Axis along which it is read."""
    _file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    _pieces: list[_Piece] = field(default_factory=list)
    _dtype: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, start: int, block: Any) -> None:
        """Add a block, whose rows or columns across the axis begin at ``start``; an `OSError` if there is no room."""
        ordered = (sparse.csc_matrix if self.axis else sparse.csr_matrix)(block)
        place = self._file.tell()
        self._dtype = ordered.data.dtype
        try:
            self._file.write(ordered.data)
            self._file.write(ordered.indices.astype(np.int32, copy=False))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            msg = (
                f"{tempfile.gettempdir()} has no room for the values in another order, about 8 bytes for each value that is "
                "not zero. Set the environment variable TMPDIR to a folder that has."
            )
            raise OSError(errno.ENOSPC, msg) from None
        self._pieces.append(_Piece(start, place, ordered.indptr))

    def parts(self, size: int) -> Iterator[tuple[slice, Any]]:
        """Rows or columns along the axis, and their values: CSC for columns, CSR for rows, about ``size`` at a time."""
        n = self.shape[self.axis]
        total = np.asarray(np.sum([piece.pointer[1:] for piece in self._pieces], axis=0, dtype=np.int64))
        start = 0
        for end in even_ends(np.arange(1, n + 1), total, size):
            part = slice(start, end)
            yield part, self._read(part)
            start = end

    def _read(self, part: slice) -> Any:
        pointers = [piece.pointer[part.start : part.stop + 1] for piece in self._pieces]
        counts = np.sum([np.diff(pointer) for pointer in pointers], axis=0, dtype=np.int64)
        indptr = np.concatenate([[0], np.cumsum(counts)])
        data, indices = np.empty(indptr[-1], dtype=self._dtype), np.empty(indptr[-1], dtype=np.int32)
        free = indptr[:-1].copy()
        for piece, pointer in zip(self._pieces, pointers, strict=True):
            values = self._numbers(piece.place, pointer, self._dtype)
            found = self._numbers(
                piece.place + int(piece.pointer[-1]) * self._dtype.itemsize, pointer, np.dtype(np.int32)
            )
            sizes = np.diff(pointer)
            # The values of each row or column go to its first free places
            places = np.repeat(free - (pointer[:-1] - pointer[0]), sizes) + np.arange(len(values))
            data[places], indices[places] = values, found + np.int32(piece.start)
            free += sizes
        n_across, n_along = self.shape[1 - self.axis], part.stop - part.start
        if self.axis:
            return sparse.csc_matrix((data, indices, indptr), shape=(n_across, n_along))
        return sparse.csr_matrix((data, indices, indptr), shape=(n_along, n_across))

    def _numbers(self, place: int, pointer: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Numbers of a piece between the ends of a pointer, from the array that begins at a place."""
        numbers = np.empty(int(pointer[-1] - pointer[0]), dtype=dtype)
        self._file.seek(place + int(pointer[0]) * dtype.itemsize)
        self._file.readinto(numbers)  # type: ignore[attr-defined]
        return numbers


def even_ends(ends: NDArray[Any], total: NDArray[Any], size: int) -> list[int]:
    """Choose ends of blocks of about ``size`` values from the possible ones, given the number of values before each."""
    number = np.maximum(np.asarray(total) - 1, 0) // size
    return np.asarray(ends)[np.flatnonzero(np.diff(number, append=np.inf))].tolist()
