from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse, special

from scpi._docs import fill
from scpi._screen._checks import check_values
from scpi.de._covariates import is_number, read_covariates
from scpi.de._moments import group_moments, other_moments
from scpi.de._test_result import TestResult, check_groups
from scpi.de._tests._method import Cells, Method

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

# Entries of a block of genes: stored values, and predictors of the zeros
_BLOCK = 1 << 20
# Parts of the genes of which there is a copy in turn
_N_PARTS = 8
_N_STEPS = 40
# A step that promises less than this of the log-likelihood is the last
_TOLERANCE = 1e-9
_RIDGE = 1e-10
_N_HALVINGS = 20


@fill
def logistic(
    values: ArrayLike,
    codes: ArrayLike,
    *,
    reference: int | None,
    covariates: ArrayLike | pd.DataFrame | None = None,
    n_jobs: int = 1,
) -> TestResult:
    """Test every group against the reference by logistic regression of the group on each gene (likelihood ratio).

    The log odds that a cell belongs to the group rather than to the reference are a + b x, where x is the expression of
    a gene, plus effects of covariates. The null hypothesis is b = 0: given the covariates, expression is not
    informative about the group (Ntranos, Yi, Melsted and Pachter, Nature Methods 16, 2019). Twice the log likelihood
    ratio is compared with a chi-squared distribution with one degree of freedom. If a gene separates group and
    reference, the coefficient is infinite, but the likelihood ratio is finite.

    All genes are fitted in parallel by Newton's method. Cells without the gene share one predictor for each distinct
    row of the covariates, so that the cost grows with the number of stored values.

    Parameters
    ----------
    %(rows_values)s
    covariates
        Covariates to adjust for, rows x covariates: numbers, or in a DataFrame also categories.
    n_jobs
        Number of threads.

    Returns
    -------
    Effect (difference of the means), score (square root of the likelihood-ratio statistic, with the sign of b) and
    p-value, groups x columns. The row of the reference and constant columns are zero, with p = 1.

    Raises
    ------
    ValueError
        If a group has fewer than two rows, the shapes do not match, or a value is missing or not finite.

    Examples
    --------
    >>> from scpi.de import logistic
    >>> result = logistic([[0.0], [2.0], [1.0], [0.0], [3.0], [2.0], [4.0], [1.0]], [0] * 4 + [1] * 4, reference=0)
    >>> round(float(result.score[1, 0]), 4), round(float(result.pval[1, 0]), 4)
    (2.0904, 0.0366)
    """
    matrix = check_values(values)
    groups, n_groups = check_groups(matrix.shape[0], codes, reference, 2)
    design = _design(covariates, matrix.shape[0])
    moments = group_moments(matrix, groups, n_groups=n_groups)
    effect = moments.mean - other_moments(moments, reference).mean
    score = np.zeros_like(effect)
    for genes, columns in _parts(matrix):
        for group in range(n_groups):
            if group != reference:
                others = groups == reference if reference is not None else (groups >= 0) & (groups != group)
                rows = np.flatnonzero((groups == group) | others)
                score[group, genes] = _scores(columns, rows, groups[rows] == group, design[rows], n_jobs)
    log_pval = np.minimum(np.log(2.0) + special.log_ndtr(-np.abs(score)), 0.0)
    return TestResult(effect=effect, score=score, log_pval=log_pval)


def _parts(matrix: Any) -> Iterator[tuple[slice, Any]]:
    """Blocks of genes; those of a sparse matrix are CSC, so that the matrix is never held twice as a whole."""
    n_genes = matrix.shape[1]
    if not sparse.issparse(matrix):
        yield slice(0, n_genes), matrix
        return
    n_part = max(1, -(-n_genes // _N_PARTS))
    for start in range(0, n_genes, n_part):
        genes = slice(start, min(start + n_part, n_genes))
        yield genes, matrix[:, genes].tocsc()


def _design(covariates: ArrayLike | pd.DataFrame | None, n_rows: int) -> NDArray[np.float64]:
    """Intercept and covariates, categories as indicators of all but the first, numbers in standard units."""
    if covariates is None:
        return np.ones((n_rows, 1))
    frame = covariates if isinstance(covariates, pd.DataFrame) else pd.DataFrame(np.asarray(covariates))
    if len(frame) != n_rows:
        msg = f"`covariates` must have one row for each of the {n_rows} rows, but has {len(frame)}."
        raise ValueError(msg)
    read = read_covariates(frame)
    columns = [np.ones(n_rows)]
    for name in read:
        column = read[name]
        if is_number(column):
            number = column.to_numpy()
            spread = number.std()
            columns += [(number - number.mean()) / spread] if spread > 0 else []
        else:
            codes = column.cat.codes.to_numpy()
            columns += [(codes == level).astype(np.float64) for level in range(1, codes.max() + 1)]
    return np.column_stack(columns)


def _scores(
    columns: Any, rows: NDArray[np.intp], member: NDArray[np.bool_], design: NDArray[np.float64], n_jobs: int
) -> NDArray[np.float64]:
    """Signed roots of the likelihood-ratio statistics of one group, in some rows of a matrix that is CSC or dense."""
    patterns, pattern = np.unique(design, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    null = _fit_null(patterns, np.bincount(pattern), patterns[pattern[member]].sum(axis=0))
    n_genes = columns.shape[1]
    stored = columns.nnz if sparse.issparse(columns) else columns.size
    n_block = max(1, _BLOCK // max(len(patterns), stored // max(1, n_genes), 1))
    score = np.zeros(n_genes)

    def fit(start: int) -> None:
        block = columns[:, start : start + n_block]
        block = sparse.csc_matrix(block if len(rows) == block.shape[0] else block[rows]).astype(np.float64)
        score[start : start + n_block] = _fit(_Block.of(block, member, patterns, pattern), null)

    starts = range(0, n_genes, n_block)
    if n_jobs == 1:
        for start in starts:
            fit(start)
    else:
        with ThreadPoolExecutor(n_jobs) as pool:
            list(pool.map(fit, starts))
    return score


def _fit_null(
    patterns: NDArray[np.float64], n: NDArray[np.intp], sum_member: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coefficients of the covariates alone, from the sums of the covariates over the cells of the group."""
    coefficients = np.zeros(patterns.shape[1])
    coefficients[0] = special.logit(sum_member[0] / n.sum())
    for _ in range(_N_STEPS):
        p = special.expit(patterns @ coefficients)
        gradient = sum_member - patterns.T @ (n * p)
        hessian = (patterns.T * (n * p * (1.0 - p))) @ patterns
        hessian[np.diag_indices_from(hessian)] += _RIDGE
        step = np.linalg.solve(hessian, gradient)
        coefficients += step
        if gradient @ step < _TOLERANCE:
            break
    return coefficients


@dataclass(frozen=True)
class _Block:
    """A block of genes, with the sufficient statistics of their likelihoods."""

    x: NDArray[np.float64]
    """Stored values."""
    gene: NDArray[np.intp]
    """Gene of each stored value, 0 to `n_genes - 1`."""
    pattern: NDArray[np.intp]
    """Row of `patterns` of the cell of each stored value."""
    zeros: NDArray[np.float64]
    """Cells without the gene, patterns x genes."""
    patterns: NDArray[np.float64]
    """Distinct rows of the covariates, the intercept first."""
    sum_covariates: NDArray[np.float64]
    """Sum of the covariates over the cells of the group."""
    sum_x: NDArray[np.float64]
    """Sum of the values of each gene over the cells of the group."""

    @classmethod
    def of(
        cls,
        matrix: sparse.csc_matrix,
        member: NDArray[np.bool_],
        patterns: NDArray[np.float64],
        pattern: NDArray[np.intp],
    ) -> _Block:
        n_genes = matrix.shape[1]
        gene = np.repeat(np.arange(n_genes), np.diff(matrix.indptr))
        of_value = pattern[matrix.indices]
        shape = (len(patterns), n_genes)
        stored = np.bincount(of_value * n_genes + gene, minlength=shape[0] * shape[1]).reshape(shape)
        return cls(
            x=matrix.data,
            gene=gene,
            pattern=of_value,
            zeros=np.asarray(np.bincount(pattern, minlength=len(patterns))[:, None] - stored, dtype=np.float64),
            patterns=patterns,
            sum_covariates=np.asarray(patterns[pattern[member]].sum(axis=0)),
            sum_x=np.asarray(member.astype(np.float64) @ matrix).ravel(),
        )

    @property
    def n_genes(self) -> int:
        return self.zeros.shape[1]

    def take(self, chosen: NDArray[np.bool_]) -> _Block:
        """Some of the genes."""
        renumbered = np.cumsum(chosen) - 1
        kept = chosen[self.gene]
        return _Block(
            x=self.x[kept],
            gene=renumbered[self.gene[kept]],
            pattern=self.pattern[kept],
            zeros=self.zeros[:, chosen],
            patterns=self.patterns,
            sum_covariates=self.sum_covariates,
            sum_x=self.sum_x[chosen],
        )

    def log_likelihood(
        self, theta: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Log-likelihood of each gene, and the predictors of the zeros and of the stored values.

        `theta` holds the coefficients of the covariates and, last, that of expression: coefficients x genes.
        """
        at_zero = self.patterns @ theta[:-1]
        at_x = at_zero[self.pattern, self.gene] + theta[-1][self.gene] * self.x
        total = self.sum_covariates @ theta[:-1] + self.sum_x * theta[-1]
        total -= (self.zeros * np.logaddexp(0.0, at_zero)).sum(axis=0)
        total -= np.bincount(self.gene, weights=np.logaddexp(0.0, at_x), minlength=self.n_genes)
        return total, at_zero, at_x

    def step(
        self, at_zero: NDArray[np.float64], at_x: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Newton's step from the predictors, coefficients x genes, and what it promises, per gene."""
        p_zero, p_x = special.expit(at_zero), special.expit(at_x)
        w_x = p_x * (1.0 - p_x)
        n_coefficients = self.patterns.shape[1]
        gradient = np.empty((n_coefficients + 1, self.n_genes))
        gradient[:-1] = self.sum_covariates[:, None] - self.patterns.T @ (self.zeros * p_zero + self._by_pattern(p_x))
        gradient[-1] = self.sum_x - self._by_gene(p_x * self.x)
        hessian = np.empty((self.n_genes, n_coefficients + 1, n_coefficients + 1))
        weight = self.zeros * p_zero * (1.0 - p_zero) + self._by_pattern(w_x)
        across = self.patterns.T @ self._by_pattern(w_x * self.x)
        for row in range(n_coefficients):
            hessian[:, row, :-1] = ((self.patterns * self.patterns[:, [row]]).T @ weight).T
            hessian[:, row, -1] = hessian[:, -1, row] = across[row]
        hessian[:, -1, -1] = self._by_gene(w_x * self.x**2)
        diagonal = np.einsum("gii->gi", hessian)
        diagonal += _RIDGE * (1.0 + diagonal)
        step = np.linalg.solve(hessian, gradient.T[:, :, None])[:, :, 0].T
        return step, (gradient * step).sum(axis=0)

    def _by_gene(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(self.gene, weights=weights, minlength=self.n_genes), dtype=np.float64)

    def _by_pattern(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = self.pattern * self.n_genes + self.gene
        sums = np.bincount(flat, weights=weights, minlength=self.zeros.size)
        return np.asarray(sums.reshape(self.zeros.shape), dtype=np.float64)


def _fit(block: _Block, null: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed root of the likelihood-ratio statistic of each gene of a block."""
    score = np.zeros(block.n_genes)
    active = np.arange(block.n_genes)
    theta = np.vstack([np.repeat(null[:, None], block.n_genes, axis=1), np.zeros(block.n_genes)])
    reached, at_zero, at_x = block.log_likelihood(theta)
    start = reached.copy()
    for _ in range(_N_STEPS):
        step, promise = block.step(at_zero, at_x)
        going = promise > _TOLERANCE
        score[active] = np.sign(theta[-1]) * np.sqrt(2.0 * np.maximum(reached - start, 0.0))
        if not going.any():
            break
        if not going.all():
            block, active, theta, step = block.take(going), active[going], theta[:, going], step[:, going]
            reached, start = reached[going], start[going]
        length = np.ones(len(active))
        for _ in range(_N_HALVINGS):
            found, at_zero, at_x = block.log_likelihood(theta + length * step)
            worse = found < reached - _TOLERANCE
            if not worse.any():
                break
            length[worse] /= 2.0
        theta, reached = theta + length * step, found
    score[active] = np.sign(theta[-1]) * np.sqrt(2.0 * np.maximum(reached - start, 0.0))
    return score


def _test(cells: Cells) -> TestResult:
    return logistic(
        cells.values, cells.codes, reference=cells.reference, covariates=cells.covariates, n_jobs=cells.n_jobs
    )


METHOD = Method(
    name="logistic",
    test=_test,
    takes="expression",
    null="Given the covariates, the expression of a gene says nothing of the group of a cell.",
    source="Ntranos, Yi, Melsted and Pachter, Nature Methods 16, 2019",
    adjusts=True,
)
