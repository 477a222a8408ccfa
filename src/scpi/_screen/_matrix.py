"""Dense rows of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray


def dense_rows(matrix: Any, index: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Some rows of a dense or sparse matrix, contiguous."""
    rows = matrix[index]
    return np.ascontiguousarray(rows.toarray() if sparse.issparse(rows) else rows, dtype=np.float32)
