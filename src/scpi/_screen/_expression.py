"""How a test or a classifier gets the expression that it takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from scpi._screen._blocks import Transformed, blocks, transformed
from scpi._screen._checks import are_whole, check_counts, check_values, scale_from, value_range
from scpi._screen._matrix import is_stored, sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

DEPTH = 1e4
"""Depth to which counts are scaled before a logarithm is taken."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Expression:
    """Values for a test, and the same or others from which fold changes are computed.

    Both are dense or CSR, or, where what was given is not in memory, are read in blocks (`scpi._screen._blocks`).
    """

    tested: Any
    """Cells x genes."""
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

    What is not in memory stays there: its blocks are checked and transformed when they are read.

    With ``transform="auto"``, counts become log-normalised expression for a test that takes it. ``log_base`` is the
    base of the logarithm if it is known from elsewhere, and ``name`` what messages call the values.
    """
    if takes == "counts":
        counts = check_stored_counts(values, name=name)
        return Expression(tested=counts, scale="counts", log_base=None, transform="none")
    matrix = check_stored_values(values, name=name)
    facts = read_facts(matrix)
    scale = scale_from(facts.lowest, facts.largest, whole=facts.depth is not None)
    if scale == "counts" and transform == "auto":
        logger.info("The values are counts: they are normalised to the median depth and log-transformed for the test.")
        logged = transformed(normalise(matrix, facts.depth), lambda block: _log1p(block.values))
        return Expression(tested=logged, scale="normalised", log_base=np.e, transform="log1p_norm")
    return Expression(
        tested=matrix,
        scale=None if scale == "scaled" else "normalised",
        log_base=(log_base or np.e) if scale == "logs" else None,
        transform="none",
    )


def check_stored_values(values: Any, *, name: str = "values") -> Any:
    """As :func:`scpi._screen._checks.check_values`, but what is not in memory stays there: its blocks are checked when read."""
    return _checked(check_values, values, name=name)


def check_stored_counts(values: Any, *, name: str = "counts") -> Any:
    """As :func:`scpi._screen._checks.check_counts`, but what is not in memory stays there: its blocks are checked when read."""
    return _checked(check_counts, values, name=name)


def _checked(check: Callable[..., Any], values: Any, *, name: str) -> Any:
    if is_stored(values):
        return Transformed(values, lambda block: check(block.values, name=name))
    return check(values, name=name)


@dataclass(frozen=True)
class Facts:
    """What one pass over a matrix tells of it."""

    lowest: float
    """Smallest value."""
    largest: float
    """Largest value."""
    depth: NDArray[np.float64] | None
    """Sum of each row, if all values are whole numbers."""


def read_facts(values: Any) -> Facts:
    """Read a matrix of any kind once to know what it holds."""
    ranges = []
    depth: NDArray[np.float64] | None = np.zeros(values.shape[0])
    for block in blocks(values):
        ranges.append(value_range(block.values))
        if depth is not None and are_whole(block.values):
            depth[block.rows] += sums(block.values, axis=1)
        else:
            depth = None
    lowest, largest = np.array(ranges).T
    return Facts(float(lowest.min()), float(largest.max()), depth)


def row_sums(values: Any) -> NDArray[np.float64]:
    """Sum of each row of a matrix of any kind."""
    total = np.zeros(values.shape[0])
    for block in blocks(values):
        total[block.rows] += sums(block.values, axis=1)
    return total


def column_sums(values: Any) -> NDArray[np.float64]:
    """Sum of each column of a matrix of any kind."""
    total = np.zeros(values.shape[1])
    for block in blocks(values):
        total[block.columns] += sums(block.values, axis=0)
    return total


def normalise(counts: Any, depth: NDArray[np.float64] | None = None) -> Any:
    """Counts of every cell scaled to the median depth of the cells that have any.

    The depth is the sum of the counts if ``None``.
    """
    factor = depth_factors(row_sums(counts) if depth is None else depth)
    return transformed(counts, lambda block: _normalised(block.values, factor[block.rows]))


def depth_factors(depth: NDArray[np.float64]) -> NDArray[np.float32]:
    """What counts of cells of these depths are multiplied by, so that they have the median of those that have any."""
    median = np.median(depth[depth > 0]) if (depth > 0).any() else 1.0
    return np.where(depth > 0, median / np.maximum(depth, 1e-300), 1.0).astype(np.float32)


def _normalised(counts: Any, factor: NDArray[np.float32]) -> Any:
    if not sparse.issparse(counts):
        # In one precision whatever that of the counts is, as equal values have to be ties for a test of ranks
        return (counts * factor[:, None]).astype(np.float32, copy=False)
    return _scaled_rows(counts, factor)


def log_normalised(counts: Any, depth: NDArray[np.floating[Any]] | None = None) -> Any:
    """log1p of counts scaled from the depth of each cell to 10,000, cells x genes; sparse counts stay sparse.

    The depth is the sum of the counts if ``None``. Cells without counts stay 0. Blocks of counts that are not in memory are
    transformed when they are read.
    """
    total = np.asarray(row_sums(counts) if depth is None else depth, dtype=np.float64).ravel()
    total = np.where(total == 0, 1.0, total)
    return transformed(counts, lambda block: _log_scaled(block.values, total[block.rows]))


def _log_scaled(counts: Any, depth: NDArray[np.float64]) -> Any:
    if not sparse.issparse(counts):
        return np.log1p(counts / depth[:, None] * DEPTH)
    return _log1p(_scaled_rows(counts.tocsr(), DEPTH / depth))


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
