"""Fold changes of mean expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Expression, on the linear scale, that is added before a ratio is taken: genes that are hardly seen have no large ones
_OFFSET = 0.1
# Expression that a gene is taken to have at least, where the ratio itself is what counts are multiplied by
_LEAST = 1e-3


def log_level(expression: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Logarithm of log1p-transformed expression on the linear scale, plus 0.1.

    Differences are logarithms of fold changes, which are small for genes with expression far below 0.1.
    """
    return np.asarray(np.log(np.maximum(np.expm1(expression), 0.0) + _OFFSET))


def log_slope(expression: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Derivative of the :func:`log_level`."""
    return np.asarray(np.exp(expression) / (np.maximum(np.expm1(expression), 0.0) + _OFFSET))


def from_log_level(level: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """log1p-transformed expression with a :func:`log_level`; 0 where the level is below that of no expression."""
    return np.asarray(np.log1p(np.maximum(np.exp(level) - _OFFSET, 0.0)))


def log_ratio(before: NDArray[np.floating[Any]], after: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Logarithm of the ratio of expression on the linear scale, in which what is hardly there has no large one."""
    return np.asarray(np.log(np.maximum(after, _LEAST)) - np.log(np.maximum(before, _LEAST)))
