"""Dense sums of rows by group in one compiled pass, for a test."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Parts of the rows that threads share, where a sum for each part does not need much memory
_N_PARTS, _LARGEST = 8, 1 << 21


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


def sum_rows(
    matrix: Any,
    codes: NDArray[np.intp],
    n_groups: int,
    *,
    squares: bool = False,
    transform: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    n_jobs: int = 1,
) -> list[NDArray[np.float64]]:
    """Sums of the rows of each group, and with `squares` those of their squares, groups x columns, in float64.

    Parameters
    ----------
    matrix
        Rows x columns in CSR format.
    codes
        Group of each row; rows with a negative code are left out.
    n_groups
        Number of groups.
    squares
        Sum the squares as well.
    transform
        Function of the stored values that is applied before; it has to leave zero zero.
    n_jobs
        Threads to use. The result does not depend on it.
    """
    n_rows, n_columns = matrix.shape
    n_parts = _N_PARTS if n_groups * n_columns <= _LARGEST else 1
    bounds = np.linspace(0, n_rows, n_parts + 1).astype(np.intp)

    def sum_part(part: int) -> list[NDArray[np.float64]]:
        first, last = bounds[part], bounds[part + 1]
        stored = slice(matrix.indptr[first], matrix.indptr[last])
        data = matrix.data[stored] if transform is None else transform(matrix.data[stored])
        sums = [np.zeros((n_groups, n_columns)) for _ in range(1 + squares)]
        kernel = _add_squares if squares else _add
        kernel(data, matrix.indices[stored], matrix.indptr[first : last + 1], codes[first:last], *sums)
        return sums

    with ThreadPoolExecutor(min(n_jobs, n_parts)) as pool:
        total, *others = pool.map(sum_part, range(n_parts))
    for part in others:
        for whole, addend in zip(total, part, strict=True):
            whole += addend
    return total
