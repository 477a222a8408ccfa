"""Statistics of the counts of two groups of cells, as the tests of scvi-tools list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._blocks import transformed
from scpi._screen._expression import normalise, row_sums
from scpi._screen._matrix import as_matrix, is_stored
from scpi.de import group_moments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi._screen._blocks import Block

# Total of a cell whose counts are normalised
_TOTAL = 1e4


class CountStatistics:
    """Mean counts, fractions of cells with counts, and mean counts per 10,000, by group.

    Parameters
    ----------
    counts
        Counts of all cells, cells x genes, of any kind.
    """

    def __init__(self, counts: Any) -> None:
        counts = counts if is_stored(counts) else as_matrix(counts)
        depth = row_sums(counts)
        filled = depth[depth > 0]
        # Normalised counts have the median total of the cells
        to_total = _TOTAL / np.median(filled) if len(filled) else 1.0
        self._parts = {
            "raw_mean": (counts, 1.0),
            "non_zeros_proportion": (transformed(counts, _is_expressed), 1.0),
            "raw_normalized_mean": (normalise(counts, depth), to_total),
        }

    def __call__(
        self, manager: Any, idx1: NDArray[np.bool_], idx2: NDArray[np.bool_]
    ) -> dict[str, NDArray[np.float64]]:
        """Statistics of the genes in two groups, given as masks."""
        codes = np.where(idx1, 0, np.where(idx2, 1, -1))
        found: dict[str, NDArray[np.float64]] = {}
        for name, (values, factor) in self._parts.items():
            mean = group_moments(values, codes, n_groups=2).mean * factor
            found |= {f"{name}1": mean[0], f"{name}2": mean[1]}
        return found


def _is_expressed(block: Block) -> Any:
    return (block.values != 0).astype(np.float32)
