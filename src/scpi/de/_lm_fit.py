from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import linalg, sparse

from scpi.de._design import as_design, require_residuals
from scpi.de._schur import gene_blocks, normal_equations

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from scpi.de._design import Design


@dataclass(frozen=True, kw_only=True)
class LinearFit:
    """Linear model of every gene: coefficients, or contrasts of them, and quantities for their tests."""

    names: tuple[str, ...]
    """Names of the coefficients or contrasts."""
    coefficients: NDArray[np.float64]
    """Coefficients, coefficients x genes."""
    stdev_unscaled: NDArray[np.float64]
    """Standard errors of the coefficients for a residual standard deviation of one, coefficients x genes."""
    sigma: NDArray[np.float64]
    """Residual standard deviation of each gene."""
    df_residual: NDArray[np.float64]
    """Residual degrees of freedom of each gene."""
    ave_expr: NDArray[np.float64]
    """Mean expression of each gene over all samples, without weights."""
    root: tuple[Any, NDArray[np.float64]]
    """A sparse and a dense matrix R, with one row per coefficient; the sum of both R R' is `covariance`."""
    design: Design | None = None
    """Model matrix in the form in which it was solved; `None` after `contrasts`."""
    weights: NDArray[np.float64] | None = None
    """Weights, samples x genes; `None` without weights, and after `contrasts`."""
    whitening: NDArray[np.float64] | None = None
    """Whitening matrix for blocks of correlated samples; `None` without blocks, and after `contrasts`."""

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of the coefficients without weights, for residual variance one: the inverse of X'X."""
        return _outer(self.root, slice(None))

    def sub_covariance(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Covariance of some of the coefficients.

        Parameters
        ----------
        rows
            Coefficients, by number.

        Returns
        -------
        Their covariance without weights, for residual variance one.
        """
        return _outer(self.root, rows)


def lm_fit(
    expression: ArrayLike,
    design: ArrayLike | pd.DataFrame | Design,
    *,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    block: ArrayLike | None = None,
    correlation: float | None = None,
    zeros: ArrayLike | None = None,
) -> LinearFit:
    """Fit a linear model to every gene, by least squares.

    This is the first step of limma (Ritchie et al., Nucleic Acids Res. 43, 2015; Smyth, Stat. Appl. Genet. Mol. Biol.
    3, 2004). If weights differ between genes, so do the normal equations. If the columns of the design span the
    indicators of groups, as those of a factor do, the indicators are eliminated. Only a system of the size of the other
    columns remains for each gene, so that hundreds of groups cost little more than one.

    Parameters
    ----------
    expression
        Log expression, samples x genes.
    design
        Model matrix, samples x coefficients, of full rank; the columns of a DataFrame name the coefficients.
    weights
        Precision weights, positive, samples x genes, or one for each sample.
    groups
        Integer group of each sample, whose indicators the design spans. If omitted, they are searched for among columns
        of zeros and ones.
    block
        Block of each sample, such as its donor; samples of a block are correlated.
    correlation
        Correlation within blocks, from :func:`duplicate_correlation`.
    zeros
        Values that are uninformative about the variance, samples x genes, as found by :func:`exact_zeros`. They enter
        only coefficients and means.

    Returns
    -------
    Coefficients, their standard errors up to the residual standard deviation, and the residual standard deviation.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is not finite, a weight is not positive, the correlation is impossible for
        the size of the blocks, the design is not of full rank (the message names the aliased coefficients), or it
        leaves no residual degrees of freedom.

    Examples
    --------
    >>> from scpi.de import lm_fit
    >>> fit = lm_fit([[1.0], [3.0], [4.0], [8.0]], [[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> fit.coefficients.ravel().tolist(), fit.df_residual.tolist()
    ([2.0, 6.0], [2.0])
    """
    values = finite_matrix(expression, "expression")
    n_samples = len(values)
    model = as_design(design, n_samples=n_samples, groups=None if groups is None else np.asarray(groups))
    require_residuals(model)
    array = None if weights is None else check_weights(weights, values.shape)
    whitening = whiten(block, correlation, n_samples)
    found = solve(values, model, array, whitening)
    sigma, df = residual_sd(values, model, array, whitening, found.rss, zeros)
    return LinearFit(
        names=model.names,
        coefficients=model.coefficients(found.of_groups, found.of_basis),
        stdev_unscaled=found.stdev_unscaled,
        sigma=sigma,
        df_residual=df,
        ave_expr=values.mean(axis=0),
        root=_root(model, whitening),
        design=model,
        weights=array,
        whitening=whitening,
    )


@dataclass(frozen=True)
class Solution:
    """Least-squares solution of every gene."""

    of_groups: NDArray[np.float64]
    """Coefficients of the indicators of groups, groups x genes."""
    of_basis: NDArray[np.float64]
    """Coefficients of the basis, columns x genes."""
    rss: NDArray[np.float64]
    """Weighted residual sum of squares of each gene."""
    stdev_unscaled: NDArray[np.float64]
    """Standard errors of the coefficients of the design, for residual variance one, coefficients x genes."""


def solve(
    values: NDArray[np.float64],
    model: Design,
    weights: NDArray[np.float64] | None,
    whitening: NDArray[np.float64] | None,
) -> Solution:
    """Solve the least-squares problem of every gene.

    Parameters
    ----------
    values
        Samples x genes.
    model
        Model matrix.
    weights
        Samples x genes, or none.
    whitening
        Whitening matrix, or none.

    Returns
    -------
    The solution.
    """
    n_coefficients, n_genes = len(model.names), values.shape[1]
    if weights is None and whitening is None:
        of_groups, of_basis = model.project(values)
        rss = np.square(values - model.fitted(of_groups, of_basis)).sum(axis=0)
        stdev = np.sqrt(_squared_length(model.root))[:, None]
        return Solution(of_groups, of_basis, rss, np.broadcast_to(stdev, (n_coefficients, n_genes)).copy())
    array = np.ones(values.shape) if weights is None else weights
    of_groups = np.empty((model.n_groups, n_genes))
    of_basis = np.empty((model.basis.shape[1], n_genes))
    stdev, rss = np.empty((n_coefficients, n_genes)), np.empty(n_genes)
    for block in gene_blocks(model, n_genes, n_coefficients):
        equations = normal_equations(model, array[:, block], whitening)
        of_groups[:, block], of_basis[:, block] = equations.solve(values[:, block])
        residual = values[:, block] - model.fitted(of_groups[:, block], of_basis[:, block])
        rss[block] = equations.rss(residual)
        stdev[:, block] = np.sqrt(equations.variance(model.to_groups, model.to_basis))
    return Solution(of_groups, of_basis, rss, stdev)


def residual_sd(
    values: NDArray[np.float64],
    model: Design,
    weights: NDArray[np.float64] | None,
    whitening: NDArray[np.float64] | None,
    rss: NDArray[np.float64],
    zeros: ArrayLike | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Residual standard deviation of each gene and its degrees of freedom, without uninformative values.

    Parameters
    ----------
    values, model, weights, whitening
        As in :func:`solve`.
    rss
        Residual sum of squares with all values.
    zeros
        Values to exclude, samples x genes, or none.

    Returns
    -------
    Standard deviations, zero without degrees of freedom, and these.
    """
    df = np.full(values.shape[1], float(model.df_residual))
    rss = rss.copy()
    if zeros is not None:
        left_out = check_zeros(zeros, values.shape)
        spanned = np.hstack([model.member.T.toarray(), model.basis])
        correlations = None if whitening is None else np.linalg.inv(whitening.T @ whitening)
        for gene in np.flatnonzero(left_out.any(axis=0)):
            kept = ~left_out[:, gene]
            both = np.column_stack([spanned, values[:, gene]])[kept]
            if weights is not None:
                both *= np.sqrt(weights[kept, gene])[:, None]
            if correlations is not None:
                both = linalg.solve_triangular(
                    linalg.cholesky(correlations[np.ix_(kept, kept)], lower=True), both, lower=True
                )
            solution, _, rank, _ = np.linalg.lstsq(both[:, :-1], both[:, -1], rcond=1e-7)
            df[gene] = kept.sum() - rank
            rss[gene] = np.square(both[:, -1] - both[:, :-1] @ solution).sum() if df[gene] else 0.0
    return np.sqrt(rss / np.maximum(df, 1.0)), df


def average(values: NDArray[np.float64], zeros: ArrayLike | None) -> NDArray[np.float64]:
    """Mean of each gene over the samples whose values are not excluded.

    Parameters
    ----------
    values
        Samples x genes.
    zeros
        Values to exclude, or none.

    Returns
    -------
    One mean per gene.
    """
    if zeros is None:
        return np.asarray(values.mean(axis=0))
    kept = ~check_zeros(zeros, values.shape)
    return np.asarray((values * kept).sum(axis=0) / kept.sum(axis=0))


def check_zeros(zeros: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Check the values to exclude, samples x genes.

    Parameters
    ----------
    zeros
        Whether a value is excluded.
    shape
        Samples and genes.

    Returns
    -------
    The same as an array.

    Raises
    ------
    ValueError
        If they do not fit.
    """
    array = np.asarray(zeros, dtype=bool)
    if array.shape != shape:
        msg = f"`zeros` must have the shape of `expression`, {shape}, but has {array.shape}."
        raise ValueError(msg)
    return array


def whiten(block: ArrayLike | None, correlation: float | None, n_samples: int) -> NDArray[np.float64] | None:
    """Whitening matrix for samples of one block with this correlation.

    Parameters
    ----------
    block
        Block of each sample, or none.
    correlation
        Correlation within blocks.
    n_samples
        Number of samples.

    Returns
    -------
    The inverse of the Cholesky factor of the correlations, or nothing if there are no blocks.

    Raises
    ------
    ValueError
        If one of the two is missing, or the correlation is impossible for the size of the blocks.
    """
    if block is None and correlation is None:
        return None
    if block is None or correlation is None:
        msg = "`block` and `correlation` belong together: `scpi.de.duplicate_correlation` gives the correlation."
        raise ValueError(msg)
    codes = block_codes(block, n_samples)
    largest = int(np.bincount(codes).max())
    lowest = -1.0 / max(largest - 1, 1)
    if not lowest < correlation < 1.0:
        msg = f"`correlation` must be below 1 and above {lowest:.3g} with {largest} samples in a block, but is {correlation}."
        raise ValueError(msg)
    matrix = np.where(codes[:, None] == codes, float(correlation), 0.0)
    np.fill_diagonal(matrix, 1.0)
    return np.asarray(linalg.solve_triangular(linalg.cholesky(matrix, lower=True), np.eye(n_samples), lower=True))


def block_codes(block: ArrayLike, n_samples: int) -> NDArray[np.intp]:
    """Number of the block of each sample.

    Parameters
    ----------
    block
        Names of the blocks.
    n_samples
        Number of samples.

    Returns
    -------
    Numbers from 0 on.

    Raises
    ------
    ValueError
        If there is not one for each sample.
    """
    names = np.asarray(block)
    if names.shape != (n_samples,):
        msg = f"`block` must have one value for each of {n_samples} samples, but has shape {names.shape}."
        raise ValueError(msg)
    codes = pd.factorize(names)[0]
    if (codes < 0).any():
        msg = "`block` has missing values: remove those samples."
        raise ValueError(msg)
    return np.asarray(codes, dtype=np.intp)


def check_weights(weights: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Check weights, and expand one weight per sample to samples x genes.

    Parameters
    ----------
    weights
        Samples x genes, or one for each sample.
    shape
        Samples and genes.

    Returns
    -------
    Samples x genes.

    Raises
    ------
    ValueError
        If they do not fit, or one is not positive.
    """
    array = np.asarray(weights, dtype=np.float64)
    if array.shape == shape[:1]:
        array = np.broadcast_to(array[:, None], shape).copy()
    array = finite_matrix(array, "weights")
    if array.shape != shape or array.min(initial=np.inf) <= 0:
        msg = f"`weights` must be positive and of the shape of `expression`, {shape}."
        raise ValueError(msg)
    return array


def _root(model: Design, whitening: NDArray[np.float64] | None) -> tuple[Any, NDArray[np.float64]]:
    """Root of the covariance of the coefficients without weights."""
    if whitening is None:
        return model.root
    spanned = whitening @ np.hstack([model.member.T.toarray(), model.basis])
    triangle = linalg.qr(spanned, mode="r")[0][: spanned.shape[1]]
    inverse = linalg.solve_triangular(triangle, np.eye(spanned.shape[1]))
    return sparse.csr_array((len(model.names), 0)), np.hstack([model.to_groups.toarray(), model.to_basis]) @ inverse


def finite_matrix(values: ArrayLike, name: str) -> NDArray[np.float64]:
    if sparse.issparse(values):
        msg = f"`{name}` must be dense: the expression of samples has few zeros."
        raise ValueError(msg)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or not np.isfinite(array).all():
        msg = f"`{name}` must be samples x genes and finite, but has shape {array.shape} or missing values."
        raise ValueError(msg)
    return array


def _squared_length(root: tuple[Any, NDArray[np.float64]]) -> NDArray[np.float64]:
    sparse_part, dense_part = root
    return np.asarray(sparse_part.power(2).sum(axis=1)).ravel() + np.square(dense_part).sum(axis=1)


def _outer(root: tuple[Any, NDArray[np.float64]], rows: Any) -> NDArray[np.float64]:
    sparse_part, dense_part = root[0][rows], root[1][rows]
    return np.asarray((sparse_part @ sparse_part.T).toarray() + dense_part @ dense_part.T)
