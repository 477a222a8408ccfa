"""How a test or a classifier gets the expression that it takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from scpi._screen._checks import check_counts, check_values, scale_of
from scpi._screen._matrix import sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTH = 1e4
"""Depth to which counts are scaled before a logarithm is taken."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Expression:
    """Values for a test, and the same or others from which fold changes are computed."""

    tested: Any
    """Cells x genes, dense or CSR."""
    scale: Literal["counts", "normalised"] | None
    """Whether `tested` are counts, normalised counts or their logarithm, or neither."""
    log_base: float | None
    """Base of the logarithm of `scaled`; `None` if it is no logarithm."""
    transform: str
    """What was done to the values that were given: "none" or "log1p_norm"."""

    @cached_property
    def scaled(self) -> Any:
        """Cells x genes on the scale of normalised counts or its logarithm; `None` if there is no such scale."""
        if self.scale is None:
            return None
        # Not before they are asked for: they need as much memory as the counts while these are tested
        return normalise(self.tested) if self.scale == "counts" else self.tested


def prepare_expression(
    values: Any,
    *,
    takes: Literal["expression", "counts"],
    transform: Literal["auto", "none"],
    log_base: float | None,
    name: str = "values",
) -> Expression:
    """Give a test what it takes, from counts or log-normalised expression, cells x genes, of any kind.

    With ``transform="auto"``, counts become log-normalised expression for a test that takes it. ``log_base`` is the
    base of the logarithm if it is known from elsewhere, and ``name`` what messages call the values.
    """
    if takes == "counts":
        counts = check_counts(values, name=name)
        return Expression(tested=counts, scale="counts", log_base=None, transform="none")
    matrix = check_values(values, name=name)
    scale = scale_of(matrix)
    if scale == "counts" and transform == "auto":
        logger.info("The values are counts: they are normalised to the median depth and log-transformed for the test.")
        logged = _log1p(normalise(matrix))
        return Expression(tested=logged, scale="normalised", log_base=np.e, transform="log1p_norm")
    return Expression(
        tested=matrix,
        scale=None if scale == "scaled" else "normalised",
        log_base=(log_base or np.e) if scale == "logs" else None,
        transform="none",
    )


def normalise(counts: Any) -> Any:
    """Counts of every cell scaled to the median depth of the cells that have any."""
    depth = sums(counts, axis=1)
    median = np.median(depth[depth > 0]) if (depth > 0).any() else 1.0
    factor = np.where(depth > 0, median / np.maximum(depth, 1e-300), 1.0).astype(np.float32)
    if not sparse.issparse(counts):
        # In one precision whatever that of the counts is, as equal values have to be ties for a test of ranks
        return (counts * factor[:, None]).astype(np.float32, copy=False)
    return _scaled_rows(counts, factor)


def log_normalised(counts: Any, depth: NDArray[np.floating[Any]] | None = None) -> Any:
    """log1p of counts scaled from the depth of each cell to 10,000, cells x genes; sparse counts stay sparse.

    The depth is the sum of the counts if ``None``. Cells without counts stay 0.
    """
    depth = np.asarray(counts.sum(1) if depth is None else depth, dtype=np.float64).reshape(-1, 1)
    depth = np.where(depth == 0, 1.0, depth)
    if not sparse.issparse(counts):
        return np.log1p(counts / depth * DEPTH)
    return _log1p(_scaled_rows(counts.tocsr(), DEPTH / depth.ravel()))


def _scaled_rows(rows: Any, factor: NDArray[np.floating[Any]]) -> Any:
    """A CSR matrix with each row multiplied by its factor, in the precision of the factors, with the same indices."""
    data = np.repeat(factor, np.diff(rows.indptr))
    data *= rows.data
    return sparse.csr_matrix((data, rows.indices, rows.indptr), shape=rows.shape)


def _log1p(matrix: Any) -> Any:
    if not sparse.issparse(matrix):
        return np.log1p(matrix)
    np.log1p(matrix.data, out=matrix.data)
    return matrix
