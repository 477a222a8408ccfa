"""Sums over the cells of groups, for rates of counts per depth and their residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from scipy import sparse

from scpi._screen._blocks import row_blocks
from scpi._screen._matrix import sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 8_192


@dataclass(frozen=True)
class DepthSums:
    """Sums over the cells of some groups."""

    total: NDArray[np.float64]
    """Counts, groups x genes."""
    squares: NDArray[np.float64]
    """Squared counts, groups x genes."""
    cross: NDArray[np.float64]
    """Counts times depth, groups x genes."""
    depth: NDArray[np.float64]
    """First to third power of depth, groups x 3."""

    def __add__(self, other: DepthSums) -> DepthSums:
        return DepthSums(*(a + b for a, b in zip(self._all, other._all, strict=True)))

    def __sub__(self, other: DepthSums) -> DepthSums:
        return DepthSums(*(a - b for a, b in zip(self._all, other._all, strict=True)))

    @property
    def _all(self) -> tuple[NDArray[np.float64], ...]:
        return self.total, self.squares, self.cross, self.depth

    @property
    def rate(self) -> NDArray[np.float64]:
        """Counts per depth, groups x genes; zero for a group without depth."""
        depth = self.depth[:, [0]]
        return self.total / np.where(depth > 0, depth, 1.0)

    @property
    def residual(self) -> NDArray[np.float64]:
        """Sum of the squared differences of the counts from rate times depth, groups x genes."""
        return self.squares - 2.0 * self.rate * self.cross + self.rate**2 * self.depth[:, [1]]

    def split(self, n_parts: int) -> list[DepthSums]:
        """Split into parts with equal numbers of groups, in order."""
        return [DepthSums(*parts) for parts in zip(*(np.split(values, n_parts) for values in self._all), strict=True)]


def depth_sums(
    counts: Any, codes: NDArray[np.intp], n_groups: int, *, depth: NDArray[np.float64] | None = None
) -> tuple[DepthSums, NDArray[np.float64]]:
    """Sum the cells of each group in one pass.

    Parameters
    ----------
    counts
        Counts, cells x genes, of any kind, in memory or not.
    codes
        Group of each cell; cells with a negative code are excluded.
    n_groups
        Number of groups.
    depth
        Depth of each cell; the sum of its counts if `None`.

    Returns
    -------
    The sums, and the depth of each cell.
    """
    total, squares, cross = np.zeros((3, n_groups, counts.shape[1]))
    found = np.zeros(counts.shape[0]) if depth is None else depth
    for rows, block in row_blocks(counts, _ROWS):
        part = sparse.csr_matrix(block)
        if depth is None:
            found[rows] = sums(part, axis=1)
        _add(part.data, part.indices, part.indptr, codes[rows], found[rows], total, squares, cross)
    used = codes >= 0
    powers = [np.bincount(codes[used], weights=found[used] ** power, minlength=n_groups) for power in (1, 2, 3)]
    return DepthSums(total, squares, cross, np.column_stack(powers)), found


@njit(nogil=True, cache=True)
def _add(data, indices, indptr, codes, depth, total, squares, cross):  # type: ignore[no-untyped-def]  # pragma: no cover
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0:
            for i in range(indptr[row], indptr[row + 1]):
                value, gene = np.float64(data[i]), indices[i]
                total[code, gene] += value
                squares[code, gene] += value * value
                cross[code, gene] += value * depth[row]
