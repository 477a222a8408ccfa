"""Order of the rows of a heatmap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.cluster import hierarchy

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Rows above which the best order of the tree takes too long
_MOST_ORDERED = 200


def similar(rows: NDArray[Any]) -> NDArray[np.intp]:
    """Order of the rows that puts similar ones next to each other."""
    if len(rows) < 3:
        return np.arange(len(rows))
    tree = hierarchy.linkage(np.nan_to_num(rows), method="average", optimal_ordering=len(rows) <= _MOST_ORDERED)
    return np.asarray(hierarchy.leaves_list(tree), dtype=np.intp)
