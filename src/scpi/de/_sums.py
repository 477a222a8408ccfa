"""Dense sums of rows by group in one pass, for a test: of a matrix in memory at once, of another block by block."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from scipy import sparse

from scpi._screen._blocks import blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Parts of the rows that threads share, where a sum for each part does not need much memory
_N_PARTS, _LARGEST = 8, 1 << 21
# Memory of some dense rows in float64, twice (their values and the squares)
_BLOCK_BYTES = 1 << 25


@njit(nogil=True, cache=True)
def _add(data, indices, indptr, codes, sums):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    offset = indptr[0]
    for row in range(len(codes)):
        group = codes[row]
        if group >= 0:
            for i in range(indptr[row] - offset, indptr[row + 1] - offset):
                sums[group, indices[i]] += data[i]


@njit(nogil=True, cache=True)
def _add_squares(data, indices, indptr, codes, sums, squares):  # type: ignore[no-untyped-def]  # pragma: no cover
    offset = indptr[0]
    for row in range(len(codes)):
        group = codes[row]
        if group >= 0:
            for i in range(indptr[row] - offset, indptr[row + 1] - offset):
                value = np.float64(data[i])
                sums[group, indices[i]] += value
                squares[group, indices[i]] += value * value


@dataclass(frozen=True)
class GroupSums:
    """Sums of the rows of each group, groups x columns."""

    total: NDArray[np.float64]
    """Sums of the values less the shift."""
    squares: NDArray[np.float64]
    """Sums of their squares, if asked for."""
    shift: NDArray[np.float64]
    """Value of each column that was subtracted before."""


def sum_rows(
    values: Any,
    codes: NDArray[np.intp],
    n_groups: int,
    *,
    squares: bool = False,
    transform: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    n_jobs: int = 1,
) -> GroupSums:
    """Sums of the rows of each group, and with `squares` those of their squares, in float64.

    Parameters
    ----------
    values
        Rows x columns of any kind, in memory or not; one pass is made over them. The sums of sparse ones do not depend on
        whether they are in memory, to the last digit. With `squares`, dense columns are summed around a value of their own,
        so that a large mean does not drown a small variance; zeros have to stay zeros in a sparse matrix.
    codes
        Group of each row; rows with a negative code are left out.
    n_groups
        Number of groups.
    squares
        Sum the squares as well.
    transform
        Function of the values that is applied before; it has to leave zero zero.
    n_jobs
        Threads to use. The result does not depend on it.
    """
    n_parts = _N_PARTS if n_groups * values.shape[1] <= _LARGEST else 1
    # Of all columns, or of each block of columns
    sums: dict[int, _Sums] = {}
    for block in blocks(values):
        shape = n_groups, block.values.shape[1]
        own = sums.setdefault(block.columns.start, _Sums.of(codes, shape, n_parts, squares=squares))
        add = own.add_sparse if sparse.issparse(block.values) else own.add_dense
        add(block.values, block.rows.start, transform, n_jobs)
    found = [own.total() for own in sums.values()]
    return GroupSums(*(np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True)))


@dataclass
class _Sums:
    """Sums of some columns, to which rows are added."""

    codes: NDArray[np.intp]
    bounds: NDArray[np.intp]
    """Rows that divide all of them into parts."""
    sums: NDArray[np.float64]
    """Sums, and perhaps those of the squares, of each part of the rows; parts x (1 or 2) x groups x columns."""
    shift: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, codes: NDArray[np.intp], shape: tuple[int, int], n_parts: int, *, squares: bool) -> _Sums:
        bounds = np.linspace(0, len(codes), n_parts + 1).astype(np.intp)
        return cls(codes, bounds, np.zeros((n_parts, 1 + squares, *shape)))

    def add_sparse(
        self, block: Any, start: int, transform: Callable[[NDArray[Any]], NDArray[Any]] | None, n_jobs: int
    ) -> None:
        """Add rows in CSR format, the first of which is the row ``start`` of all."""
        kernel = _add_squares if self.sums.shape[1] > 1 else _add

        def add_part(part: int) -> None:
            # Rows of the part that are in the block
            first, last = self.bounds[part : part + 2].clip(start, start + block.shape[0]) - start
            stored = slice(block.indptr[first], block.indptr[last])
            data = block.data[stored] if transform is None else transform(block.data[stored])
            own = block.indices[stored], block.indptr[first : last + 1], self.codes[start + first : start + last]
            kernel(data, *own, *self.sums[part])

        with ThreadPoolExecutor(min(n_jobs, len(self.sums))) as pool:
            list(pool.map(add_part, range(len(self.sums))))

    def add_dense(
        self, block: NDArray[Any], start: int, transform: Callable[[NDArray[Any]], NDArray[Any]] | None, n_jobs: int
    ) -> None:
        """Add rows of an array, some at a time."""
        rows = np.flatnonzero(self.codes[start : start + len(block)] >= 0)
        with_squares = self.sums.shape[1] > 1
        if with_squares and self.shift is None and len(rows):
            self.shift = block[rows[0]].astype(np.float64)
        n_rows = max(1, _BLOCK_BYTES // (8 * max(1, block.shape[1])))
        for first in range(0, len(rows), n_rows):
            chosen = rows[first : first + n_rows]
            values = (block[chosen] if transform is None else transform(block[chosen])).astype(np.float64)
            if self.shift is not None:
                values -= self.shift
            shape = self.sums.shape[2], len(chosen)
            groups = self.codes[start + chosen]
            member = sparse.csr_matrix((np.ones(len(chosen)), (groups, np.arange(len(chosen)))), shape=shape)
            self.sums[0, 0] += member @ values
            if with_squares:
                self.sums[0, 1] += member @ np.square(values, out=values)

    def total(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Sums, those of the squares or nothing, and the shift."""
        total = self.sums[0].copy()
        for part in self.sums[1:]:
            total += part
        shift = np.zeros(total.shape[-1]) if self.shift is None else self.shift
        return total[0], total[-1], shift
