from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._rng import as_generator
from scpi._screen._blocks import take_rows
from scpi._screen._expression import check_stored_counts, row_sums
from scpi._screen._matrix import sums
from scpi.de._dispersion_trend import shrink_to_trend
from scpi.de._neighbourhoods import neighbourhoods

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_SIZE = 25
_MAX_CELLS = 10_000
_BLOCK = 1 << 21
_N_STEPS = 20
_LARGEST = 1e3
# By how many standard deviations a group may exceed what is expected of it, and by how much where that is next to 0
_FAR = 4.0
_FEW_COUNTS = 2.0


def estimate_overdispersion(
    counts: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    size_factors: ArrayLike | None = None,
    shrink: bool = True,
    rng: int | np.random.Generator | None = 0,
) -> NDArray[np.float64]:
    """Estimate the overdispersion of each gene within homogeneous cells.

    A count with mean mu is assumed to have the variance mu + overdispersion mu^2, like a negative binomial count.
    Variance due to cell types, states and depth is not overdispersion and is excluded. The variance is estimated within
    many small groups of similar cells (about 25 each) and pooled over them, with the depth of each cell as a factor of
    its mean. The groups for one half of the genes are found on the other half. They thus follow cell types and states,
    which all genes share, and not the noise of the genes under study, whose variance they would reduce.

    Within a group, the estimate is by moments: the squared residuals minus their expectation under Poisson counts, over
    the squared means, both corrected for the estimated group mean. Genes with few counts are shrunk towards the trend
    of overdispersion over mean expression, by empirical Bayes.

    Parameters
    ----------
    counts
        Cells x genes, dense or sparse, in memory, in a file or a dask array. If there are more than 10,000 cells, a
        random sample of that size is used.
    groups
        Label of each cell, to use instead of groups found on the data. Groups should be many and small, or known to be
        homogeneous, and must not have been found on the same counts.
    size_factors
        Depth of each cell, in any unit; the sum of its counts if `None`.
    shrink
        Whether to shrink the estimates towards the trend. Without shrinkage, an estimate is negative if the variance is
        below that of Poisson counts, and NaN if no group has two counts of the gene.
    rng
        Seed or generator of the random numbers that initialise the groups.

    Returns
    -------
    Overdispersion of each gene.

    Raises
    ------
    ValueError
        If `counts` has negative, fractional or missing values, there are fewer than two cells with counts, no group
        has two cells, or the shapes do not match.

    Notes
    -----
    Variation within a small group counts as overdispersion: states that affect few genes, doublets, and gradients that
    are steep within 25 cells. The estimate is then too large, mostly for the genes concerned.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import estimate_overdispersion
    >>> rng = np.random.default_rng(0)
    >>> counts = rng.poisson(5.0 * rng.gamma(4.0, 0.25, size=(2000, 50)))
    >>> bool(abs(estimate_overdispersion(counts).mean() - 0.25) < 0.02)
    True
    """
    matrix = check_stored_counts(counts)
    n_cells, n_genes = matrix.shape
    generator = as_generator(rng)
    depth = check_size_factors(size_factors, matrix)
    given = None if groups is None else _group_codes(groups, n_cells)
    rows = np.flatnonzero(depth > 0 if given is None else (depth > 0) & (given >= 0))
    if len(rows) < 2:
        msg = f"Overdispersion needs two cells with counts or more, but there are {len(rows)}."
        raise ValueError(msg)
    if len(rows) > _MAX_CELLS:
        rows = np.sort(generator.choice(rows, _MAX_CELLS, replace=False))
    cells = sparse.csc_matrix(take_rows(matrix, rows)).astype(np.float64)
    depth = depth[rows] / depth[rows].mean()
    mean = sums(cells, axis=0) / depth.sum()
    pooled = _Pooled.empty(n_genes)
    if given is not None:
        pooled.add(np.arange(n_genes), cells, depth, given[rows])
    else:
        # Every second gene by mean, so that both halves represent the same cell types
        order = np.argsort(mean, kind="stable")
        for genes, others in ((order[::2], order[1::2]), (order[1::2], order[::2])):
            codes = neighbourhoods(cells[:, others].tocsr(), depth, size=_SIZE, rng=generator)
            pooled.add(genes, cells[:, genes], depth, codes)
    if not shrink:
        return pooled.estimate
    return shrink_to_trend(pooled.estimate, mean, pooled.sampling_variance)


def check_size_factors(size_factors: ArrayLike | None, matrix: Any) -> NDArray[np.float64]:
    """Give the depth of each cell: as given, or the sum of its counts."""
    if size_factors is None:
        return row_sums(matrix)
    values = np.asarray(size_factors, dtype=np.float64)
    if values.shape != (matrix.shape[0],):
        msg = (
            f"`size_factors` must have one value for each of the {matrix.shape[0]} cells, but has shape {values.shape}."
        )
        raise ValueError(msg)
    if not (np.isfinite(values) & (values >= 0)).all():
        msg = "`size_factors` must be finite and not negative."
        raise ValueError(msg)
    return values


def _group_codes(groups: ArrayLike, n_cells: int) -> NDArray[np.intp]:
    labels = np.asarray(groups)
    if labels.shape != (n_cells,):
        msg = f"`groups` must have one label for each of the {n_cells} cells, but has shape {labels.shape}."
        raise ValueError(msg)
    return pd.factorize(labels)[0].astype(np.intp)


@dataclass(frozen=True)
class _Pooled:
    """Estimates of each gene, pooled over groups."""

    estimate: NDArray[np.float64]
    """Estimate by moments; NaN if no group has two counts."""
    square: NDArray[np.float64]
    """Sum of the squared means of the cells."""
    cube: NDArray[np.float64]
    """Sum of their third powers."""
    fourth: NDArray[np.float64]
    """Sum of their fourth powers."""

    @classmethod
    def empty(cls, n_genes: int) -> _Pooled:
        return cls(np.full(n_genes, np.nan), *(np.zeros(n_genes) for _ in range(3)))

    def sampling_variance(self, overdispersion: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variance of the estimate at a given overdispersion: that of (x - mu)^2 - x, from the cumulants of x."""
        total = _excess_variance(overdispersion, self.square, self.cube, self.fourth)
        return np.divide(total, self.square**2, out=np.full_like(total, np.inf), where=self.square > 0)

    def add(
        self, genes: NDArray[np.intp], counts: sparse.csc_matrix, depth: NDArray[np.float64], codes: NDArray[np.intp]
    ) -> None:
        """Estimate some of the genes, whose counts are given, within the groups."""
        codes, sizes = np.unique(codes, return_inverse=True)[1], np.unique(codes, return_counts=True)[1]
        if sizes.max() < 2:
            msg = "Overdispersion needs a group of two cells or more, but every cell is a group of its own."
            raise ValueError(msg)
        member = sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))))[sizes > 1]
        n_block = max(1, _BLOCK // member.shape[0])
        for start in range(0, len(genes), n_block):
            block, chosen = counts[:, start : start + n_block], genes[start : start + n_block]
            self.estimate[chosen], self.square[chosen], self.cube[chosen], self.fourth[chosen] = _moments(
                block, depth, member
            )


def _moments(
    counts: sparse.csc_matrix, depth: NDArray[np.float64], member: sparse.csr_matrix
) -> tuple[NDArray[np.float64], ...]:
    """Estimate of each gene, and sums of powers of the means of the cells."""
    total, weighted = (member @ counts).toarray(), (member @ sparse.diags(depth) @ counts).toarray()
    squares = (member @ counts.multiply(counts)).toarray()
    # Sums of powers of depth, which turn the rate of a group into sums over its cells
    s1, s2, s3, s4 = ((member @ depth**power)[:, None] for power in (1, 2, 3, 4))
    rate = total / s1
    residual = squares - 2.0 * rate * weighted + rate**2 * s2
    # The expectation of the residual is rate (s1 - s2 / s1) under Poisson counts, and overdispersion adds
    # overdispersion rate^2 times the second term of its variance
    excess = residual - rate * (s1 - s2 / s1)
    pairs = total * (total - 1.0)
    square = pairs * (s2 - 2.0 * s3 / s1 + s2**2 / s1**2) / s1**2
    triples = pairs * np.maximum(total - 2.0, 0.0)
    cube = triples * s3 / s1**3
    fourth = triples * np.maximum(total - 3.0, 0.0) * s4 / s1**4
    estimate = _solve(excess, square, cube, fourth, s2 / s1**2)
    return estimate, square.sum(axis=0), cube.sum(axis=0), fourth.sum(axis=0)


def _solve(
    excess: NDArray[np.float64],
    square: NDArray[np.float64],
    cube: NDArray[np.float64],
    fourth: NDArray[np.float64],
    share: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve sum(excess) = a sum(square / (1 + a share)) over the groups, for each gene.

    The square of an estimated rate is too large by its variance, which includes overdispersion: hence the denominator.
    Single cells with aberrant counts, such as from chimeric reads, must not dominate a gene. First, the excess of each
    group over its expectation, at the median over groups, is clipped at some standard deviations. This estimate is
    about right for negative binomial counts. Groups that still exceed it by more are then excluded.
    """
    estimate = np.full(excess.shape[1], np.nan)
    told = square.sum(axis=0) > 0
    excess, square, cube, fourth = (part[:, told] for part in (excess, square, cube, fourth))
    a = np.clip(_median_ratio(excess, square), 0.0, _LARGEST)

    def bound() -> NDArray[np.float64]:
        return a * square + _FAR * np.sqrt(_excess_variance(a, square, cube, fourth)) + _FEW_COUNTS

    a = np.clip(np.minimum(excess, bound()).sum(axis=0) / (square / (1.0 + a * share)).sum(axis=0), 0.0, _LARGEST)
    kept = excess <= bound()
    excess, square = excess * kept, square * kept
    for _ in range(_N_STEPS):
        total = (square / (1.0 + np.maximum(a, 0.0) * share)).sum(axis=0)
        a = np.minimum(np.divide(excess.sum(axis=0), total, out=np.zeros_like(a), where=total > 0), _LARGEST)
    estimate[told] = a
    return estimate


def _median_ratio(excess: NDArray[np.float64], square: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of the overdispersion estimates of groups with at least two counts."""
    told = square > 0
    ratio = np.sort(np.divide(excess, square, out=np.full_like(excess, np.inf), where=told), axis=0)
    return np.take_along_axis(ratio, told.sum(axis=0)[None] // 2, axis=0)[0]


def _excess_variance(
    overdispersion: NDArray[np.float64],
    square: NDArray[np.float64],
    cube: NDArray[np.float64],
    fourth: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Variance of the sum of (x - mu)^2 - x over negative binomial x, from sums of powers of mu."""
    a = overdispersion
    return (2.0 + 2.0 * a) * square + (8.0 * a**2 + 4.0 * a) * cube + (2.0 * a**2 + 6.0 * a**3) * fourth
