"""Choice, order and scale of the rows and columns of a heatmap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy.cluster import hierarchy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

T = TypeVar("T")

# Maximum number of rows for which the optimal order of the leaves is computed; it takes too long for more
_MAX_ORDERED = 200


def similar(rows: NDArray[Any]) -> NDArray[np.intp]:
    """Order the rows so that similar ones are next to each other."""
    if len(rows) < 3:
        return np.arange(len(rows))
    tree = hierarchy.linkage(np.nan_to_num(rows), method="average", optimal_ordering=len(rows) <= _MAX_ORDERED)
    return np.asarray(hierarchy.leaves_list(tree), dtype=np.intp)


def union(groups: Iterable[Iterable[T]]) -> tuple[list[T], list[int]]:
    """List the members of all groups in order, each once, and the position at which the members of each group start."""
    members: dict[T, None] = {}
    starts = []
    for group in groups:
        starts.append(len(members))
        members |= dict.fromkeys(group)
    return list(members), starts


def scale_columns(matrix: NDArray[np.float64], width: int = 1) -> NDArray[np.float64]:
    """Divide each block of `width` columns by its largest absolute value."""
    largest = np.nan_to_num(np.abs(matrix)).max(axis=0).reshape(-1, width).max(axis=1)
    return matrix / np.repeat(np.where(largest > 0, largest, 1.0), width)
