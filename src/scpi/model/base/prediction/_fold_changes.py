"""Fold changes of mean expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Expression, on the linear scale, that is added before a ratio is taken: genes that are hardly seen have no large ones
_OFFSET = 0.1


def log_level(expression: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Logarithm of log1p-transformed expression on the linear scale, plus 0.1.

    Differences are logarithms of fold changes, which are small for genes with expression far below 0.1.
    """
    return np.asarray(np.log(np.maximum(np.expm1(expression), 0.0) + _OFFSET))


def from_log_level(level: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """log1p-transformed expression with a :func:`log_level`; 0 where the level is below that of no expression."""
    return np.asarray(np.log1p(np.maximum(np.exp(level) - _OFFSET, 0.0)))
