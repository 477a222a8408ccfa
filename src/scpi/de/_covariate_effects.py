"""Effects of covariates on the rates of genes, with a mean per group, by Poisson regression of all genes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._screen._blocks import row_blocks
from scpi._slots import listed
from scpi.de._covariates import is_number, read_covariates

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

# Precision of a normal prior of the coefficients, in one event: it keeps those of genes with few counts finite
_RIDGE = 1.0
# Newton steps, their largest length, and one that is no more than rounding
_N_STEPS, _LONGEST, _SHORTEST = 30, 1.0, 1e-6
# Values of a block of genes, and rows of cells that are read at a time
_BLOCK, _ROWS = 1 << 22, 8_192
# Variation within the groups below which a covariate is one of them, as a fraction of all
_NOTHING = 1e-9


@dataclass(frozen=True)
class CovariateEffects:
    """Effects of covariates on the exposure of each group, with their precision."""

    exposure: NDArray[np.float64]
    """Cells of each group, each weighted by the effect of its covariates, groups x genes."""
    mean: NDArray[np.float64]
    """Mean of the covariates in each group, with the same weights, groups x covariates x genes."""
    covariance: NDArray[np.float64]
    """Covariance of the coefficients for counts that vary as those of Poisson, genes x covariates x covariates."""
    squares: NDArray[np.float64]
    """Sums of the squared weights over the cells of each group, groups x genes."""

    def variance(self, other: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variance of the log ratio of each group to others that is due to uncertain coefficients.

        ``other`` is the mean of the covariates in the comparison group of each group, (groups x) covariates x genes.
        """
        apart = self.mean - other
        return np.asarray(np.einsum("kpg,gpq,kqg->kg", apart, self.covariance, apart, optimize=True))


def design_columns(frame: pd.DataFrame, codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Design columns of covariates: categories as indicators of all levels but the first, numbers standardised.

    A `ValueError` names covariates that are constant within each group, as they are confounded with the groups.
    """
    used = codes >= 0
    columns, same = [], []
    for name, column in read_covariates(frame).items():
        if is_number(column):
            values = column.to_numpy(dtype=np.float64)[:, None]
            spread = values[used].std() or 1.0
            values = (values - values[used].mean()) / spread
        else:
            values = np.eye(len(column.cat.categories))[column.cat.codes][:, 1:]
        values = values[:, np.ptp(values[used], axis=0) > 0]
        if values.shape[1] and _variation_within(values[used], codes[used]) < _NOTHING:
            same.append(str(name))
        columns.append(values)
    if same:
        msg = f"The covariates {listed(same)} are the same in all cells of each group: nothing distinguishes them from the groups."
        raise ValueError(msg)
    return np.hstack(columns)


def _variation_within(values: NDArray[np.float64], codes: NDArray[np.intp]) -> float:
    """Largest fraction of the variance of a column that is within groups."""
    sizes = np.bincount(codes)
    sums = np.array([np.bincount(codes, weights=column) for column in values.T]).T
    means = np.divide(sums, sizes[:, None], out=np.zeros_like(sums), where=sizes[:, None] > 0)
    return float(
        (np.square(values - means[codes]).sum(axis=0) / np.square(values - values.mean(axis=0)).sum(axis=0)).max()
    )


def fit_covariates(
    counts: Any,
    codes: NDArray[np.intp],
    columns: NDArray[np.float64],
    total: NDArray[np.float64],
    index: NDArray[np.float64],
) -> CovariateEffects:
    r"""Fit :math:`\log \mu_{ig} = \theta_{k(i) g} + x_i' \beta_g` to all genes.

    The group means have a closed form given the coefficients, so that Newton's method runs only over these.

    Parameters
    ----------
    counts
        Scaled counts, cells x genes, of any kind.
    codes
        Group of each cell; cells with a negative code are excluded.
    columns
        Covariates, cells x columns.
    total
        Sums of the counts, groups x genes.
    index
        Variance over mean of the counts of each gene: that many counts are one event.

    Returns
    -------
    The exposures that follow, and the precision of the coefficients.
    """
    used = np.flatnonzero(codes >= 0)
    # Cells with the same covariates in the same group are one row
    rows, inverse = np.unique(np.column_stack([codes[used], columns[used]]), axis=0, return_inverse=True)
    of_rows = _Rows(
        x=np.ascontiguousarray(rows[:, 1:]),
        group=rows[:, 0].astype(np.intp),
        size=np.bincount(inverse.reshape(-1)).astype(float),
    )
    score = np.zeros((columns.shape[1], counts.shape[1]))
    kept = np.where((codes >= 0)[:, None], columns, 0.0)
    for part, block in row_blocks(counts, _ROWS):
        score += np.asarray((block.T @ kept[part]).T)
    n_columns, n_genes = score.shape
    found = CovariateEffects(
        exposure=np.empty((len(total), n_genes)),
        mean=np.empty((len(total), n_columns, n_genes)),
        covariance=np.empty((n_genes, n_columns, n_columns)),
        squares=np.empty((len(total), n_genes)),
    )
    n_block = max(1, _BLOCK // (len(rows) * (n_columns + 1)))
    for start in range(0, n_genes, n_block):
        at = slice(start, start + n_block)
        fitted = _newton(of_rows, score[:, at] / index[at], total[:, at] / index[at])
        found.exposure[:, at], found.mean[:, :, at], found.covariance[at], found.squares[:, at] = fitted
    return found


@dataclass(frozen=True)
class _Rows:
    """Cells with the same covariates in the same group."""

    x: NDArray[np.float64]
    group: NDArray[np.intp]
    size: NDArray[np.float64]
    """Number of cells of each row."""


def _newton(
    rows: _Rows, score: NDArray[np.float64], total: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Exposures, means of the covariates, covariances and sums of squared weights of a block of genes."""
    x, n_columns, n_genes = rows.x, rows.x.shape[1], score.shape[1]
    member = sparse.csr_matrix((rows.size, (rows.group, np.arange(len(x)))), shape=(len(total), len(x)))
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1) * rows.size[:, None]
    beta, mean = np.zeros((n_columns, n_genes)), np.empty((len(total), n_columns, n_genes))
    for _ in range(_N_STEPS):
        weight = np.exp(x @ beta)
        exposure = member @ weight
        for j in range(n_columns):
            mean[:, j] = (member @ (weight * x[:, [j]])) / exposure
        # Counts of each group times the covariances of its covariates
        info = (products.T @ (weight * (total / exposure)[rows.group])).reshape(n_columns, n_columns, n_genes)
        info -= np.einsum("kg,kpg,kqg->pqg", total, mean, mean, optimize=True)
        info = info.transpose(2, 0, 1) + _RIDGE * np.eye(n_columns)
        gradient = score - np.einsum("kg,kpg->pg", total, mean) - _RIDGE * beta
        step = np.linalg.solve(info, gradient.T[:, :, None])[:, :, 0].T.clip(-_LONGEST, _LONGEST)
        if np.abs(step).max() < _SHORTEST:
            break
        beta += step
    return exposure, mean, np.linalg.inv(info), member @ weight**2
