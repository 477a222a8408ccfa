from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi.de._design import as_design, require_residuals
from scpi.de._schur import WeightedEquations, gene_blocks

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from scpi.de._design import Design


@dataclass(frozen=True, kw_only=True)
class LinearFit:
    """Linear model of every gene: coefficients, or contrasts of them, and what their tests need."""

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
    """A sparse and a dense matrix R of as many rows as coefficients, of which the sum of R R' is `covariance`."""
    design: Design | None = None
    """Model matrix in the form in which it was solved; `None` after `contrasts`."""
    weights: NDArray[np.float64] | None = None
    """Weights, samples x genes, if there were any; `None` after `contrasts`."""

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
) -> LinearFit:
    """Fit a linear model to every gene, by least squares.

    The first step of limma (Ritchie et al., Nucleic Acids Res. 43, 2015; Smyth, Stat. Appl. Genet. Mol. Biol. 3,
    2004). Where weights differ between genes, so do the normal equations. If the columns of the design span the
    indicators of groups, as those of a factor do, these are eliminated and only a system of the size of the other
    columns is left for each gene, so that hundreds of groups cost little more than one.

    Parameters
    ----------
    expression
        Log expression, samples x genes.
    design
        Model matrix, samples x coefficients, of full rank; the columns of a DataFrame name the coefficients.
    weights
        Precision weights, positive, samples x genes.
    groups
        Integer group of each sample whose indicators the design spans. If left out, they are looked for among columns
        of zeros and ones.

    Returns
    -------
    Coefficients, their standard errors up to the residual standard deviation, and the latter.

    Raises
    ------
    ValueError
        If the shapes do not fit, a value is not finite, a weight is not positive, the design is not of full rank (the
        message names the aliased coefficients) or leaves no residual degrees of freedom.

    Examples
    --------
    >>> from scpi.de import lm_fit
    >>> fit = lm_fit([[1.0], [3.0], [4.0], [8.0]], [[1, 0], [1, 0], [0, 1], [0, 1]])
    >>> fit.coefficients.ravel().tolist(), fit.df_residual.tolist()
    ([2.0, 6.0], [2.0])
    """
    values = _finite_matrix(expression, "expression")
    n_samples, n_genes = values.shape
    model = as_design(design, n_samples=n_samples, groups=None if groups is None else np.asarray(groups))
    require_residuals(model)
    n_coefficients = len(model.names)
    if weights is None:
        of_groups, of_basis = model.project(values)
        coefficients = model.coefficients(of_groups, of_basis)
        rss = np.square(values - model.fitted(of_groups, of_basis)).sum(axis=0)
        variance = _squared_length(model.root)[:, None]
        stdev_unscaled = np.broadcast_to(np.sqrt(variance), coefficients.shape).copy()
        array = None
    else:
        array = _finite_matrix(weights, "weights")
        if array.shape != values.shape or array.min(initial=np.inf) <= 0:
            msg = f"`weights` must be positive and of the shape of `expression`, {values.shape}."
            raise ValueError(msg)
        coefficients, stdev_unscaled = np.empty((2, n_coefficients, n_genes))
        rss = np.empty(n_genes)
        for block in gene_blocks(model, n_genes, n_coefficients):
            equations = WeightedEquations(model, array[:, block])
            of_groups, of_basis = equations.solve(values[:, block])
            coefficients[:, block] = model.coefficients(of_groups, of_basis)
            residual = values[:, block] - model.fitted(of_groups, of_basis)
            rss[block] = (array[:, block] * residual**2).sum(axis=0)
            stdev_unscaled[:, block] = np.sqrt(equations.variance(model.to_groups, model.to_basis))
    return LinearFit(
        names=model.names,
        coefficients=coefficients,
        stdev_unscaled=stdev_unscaled,
        sigma=np.sqrt(rss / model.df_residual),
        df_residual=np.full(n_genes, float(model.df_residual)),
        ave_expr=values.mean(axis=0),
        root=model.root,
        design=model,
        weights=array,
    )


def _finite_matrix(values: ArrayLike, name: str) -> NDArray[np.float64]:
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
