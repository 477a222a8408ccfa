"""What a matrix of expression holds, and how a test gets what it asks for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from scpi.de._counts import check_counts
from scpi.de._test_result import check_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

# exp(20) is more than any count of a gene
_LARGEST_LOG = 20.0
_FIRST = 100_000


@dataclass(frozen=True)
class Expression:
    """Values for a test, and the same or others from which fold changes are computed."""

    tested: Any
    """Cells x genes, dense or CSR."""
    scaled: Any
    """Cells x genes on the scale of normalised counts or its logarithm; `None` if there is no such scale."""
    log_base: float | None
    """Base of the logarithm of `scaled`; `None` if it is no logarithm."""
    transform: str
    """What was done to the values that were given: "none" or "log1p_norm"."""


def prepare_expression(
    values: Any, *, takes: Literal["expression", "counts"], transform: Literal["auto", "none"], log_base: float | None
) -> Expression:
    """Give a test what it takes.

    Parameters
    ----------
    values
        Cells x genes, dense or sparse: counts, or log-normalised expression.
    takes
        What the test takes.
    transform
        With "auto", counts become log-normalised expression for a test that takes it.
    log_base
        Base of the logarithm if it is known from elsewhere.
    """
    matrix = check_values(values)
    if takes == "counts":
        counts = check_counts(matrix)
        return Expression(tested=counts, scaled=normalise(counts), log_base=None, transform="none")
    data = matrix.data if sparse.issparse(matrix) else matrix
    lowest, highest = (float(data.min()), float(data.max())) if data.size else (0.0, 0.0)
    if lowest < 0:
        return Expression(tested=matrix, scaled=None, log_base=None, transform="none")
    if _are_integers(data):
        if transform == "none":
            return Expression(tested=matrix, scaled=matrix, log_base=None, transform="none")
        logger.info("The values are counts: they are normalised to the median depth and log-transformed for the test.")
        logged = _log1p(normalise(matrix))
        return Expression(tested=logged, scaled=logged, log_base=np.e, transform="log1p_norm")
    logged_base = (log_base or np.e) if highest < _LARGEST_LOG else None
    return Expression(tested=matrix, scaled=matrix, log_base=logged_base, transform="none")


def normalise(counts: Any) -> Any:
    """Counts of every cell scaled to the median depth of the cells that have any."""
    depth = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    median = np.median(depth[depth > 0]) if (depth > 0).any() else 1.0
    factor = np.where(depth > 0, median / np.maximum(depth, 1e-300), 1.0).astype(np.float32)
    if not sparse.issparse(counts):
        return counts * factor[:, None]
    data = counts.data * np.repeat(factor, np.diff(counts.indptr))
    return sparse.csr_matrix((data.astype(np.float32), counts.indices, counts.indptr), shape=counts.shape)


def _log1p(matrix: Any) -> Any:
    if not sparse.issparse(matrix):
        return np.log1p(matrix)
    np.log1p(matrix.data, out=matrix.data)
    return matrix


def _are_integers(data: NDArray[Any]) -> bool:
    if data.dtype.kind in "iub":
        return True
    # Most data that are no counts show it at once
    return all(bool((part == np.rint(part)).all()) for part in (data.ravel()[:_FIRST], data))
