from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import linalg

from scpi._slots import listed
from scpi.de._design import as_design, require_residuals
from scpi.de._lm_fit import check_weights, check_zeros, finite_matrix

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from scpi.de._design import Design

WeightMethod = Literal["auto", "genebygene", "reml"]
# Genes with less residual variance are uninformative about the samples
_NO_VARIANCE = 1e-15
# Convergence limit of limma's iterations
_TOLERANCE = 1e-5
_MAX_STEPS = 50


def array_weights(
    expression: ArrayLike,
    design: ArrayLike | pd.DataFrame | Design,
    *,
    weights: ArrayLike | None = None,
    method: WeightMethod = "auto",
    prior_n: float = 10.0,
    zeros: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Estimate a weight for each sample, to down-weight samples of poor quality instead of excluding them.

    Each sample multiplies the variance of all genes by a factor. The factors maximise the restricted likelihood, with a
    prior that shrinks them to one (Ritchie et al., BMC Bioinformatics 7:261, 2006; with weights from :func:`voom`: Liu
    et al., Nucleic Acids Res. 43, 2015).

    Parameters
    ----------
    expression
        Log expression, samples x genes.
    design
        Model matrix, samples x coefficients.
    weights
        Precision weights, positive, samples x genes.
    method
        With "reml", all genes are scored at once, without `weights`; with "genebygene", one step is made per gene, in
        their order. "auto" is "genebygene" with `weights` or `zeros`, and "reml" otherwise.
    prior_n
        Weight of the prior, as a number of genes without differences between samples.
    zeros
        Values that are uninformative about the variance, samples x genes, as found by :func:`exact_zeros`.

    Returns
    -------
    Weight of each sample, with geometric mean one.

    Raises
    ------
    ValueError
        If the shapes do not match, the method is unknown or does not support weights, or the design leaves fewer than
        two residual degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import array_weights
    >>> expression = np.random.default_rng(0).normal(size=(6, 500))
    >>> expression[2] *= 3.0
    >>> int(array_weights(expression, np.ones((6, 1))).argmin())
    2
    """
    values = finite_matrix(expression, "expression")
    n_samples = len(values)
    model = as_design(design, n_samples=n_samples)
    require_residuals(model)
    if method not in get_args(WeightMethod):
        msg = f"`method` must be one of {listed(get_args(WeightMethod))}, but is {method!r}."
        raise ValueError(msg)
    if model.df_residual < 2 or not prior_n > 0:
        msg = (
            f"Weights of samples need two residual degrees of freedom or more, and there are {model.df_residual}."
            if model.df_residual < 2
            else f"`prior_n` must be positive, but is {prior_n}."
        )
        raise ValueError(msg)
    precision = None if weights is None else check_weights(weights, values.shape)
    if method == "reml" and (precision is not None or zeros is not None):
        msg = "`method='reml'` does not support weights or excluded values: use 'genebygene'."
        raise ValueError(msg)
    spanned = np.hstack([model.member.T.toarray(), model.basis])
    # Log factors that sum to zero
    factors = np.vstack([np.eye(n_samples - 1), -np.ones(n_samples - 1)])
    if precision is not None or zeros is not None or method == "genebygene":
        kept = np.ones(values.shape, dtype=bool) if zeros is None else ~check_zeros(zeros, values.shape)
        found = _gene_by_gene(values, spanned, factors, precision, prior_n, kept)
    else:
        found = _all_at_once(values, spanned, factors, prior_n)
    return np.asarray(np.exp(-factors @ found))


def _gene_by_gene(
    values: NDArray[np.float64],
    spanned: NDArray[np.float64],
    factors: NDArray[np.float64],
    precision: NDArray[np.float64] | None,
    prior_n: float,
    kept: NDArray[np.bool_],
) -> NDArray[np.float64]:
    found = np.zeros(factors.shape[1])
    information = prior_n * factors.T @ factors
    for gene, expression in enumerate(values.T):
        weight = np.exp(-factors @ found)
        if precision is not None:
            weight = weight * precision[:, gene]
        used = kept[:, gene]
        columns = spanned if used.all() else linalg.orth(spanned[used], rcond=1e-7)
        squares, free = _residuals(expression[used, None], columns, weight[used])
        df = int(used.sum()) - columns.shape[1]
        variance = squares.sum() / max(df, 1)
        if df < 2 or variance < _NO_VARIANCE:
            continue
        information = information + _information(factors[used], np.diag(free), free, df)
        found = found + np.linalg.solve(information, factors[used].T @ (squares[:, 0] / variance - free))
    return found


def _all_at_once(
    values: NDArray[np.float64], spanned: NDArray[np.float64], factors: NDArray[np.float64], prior_n: float
) -> NDArray[np.float64]:
    n_samples, n_genes = values.shape
    df = n_samples - spanned.shape[1]
    found = np.zeros(factors.shape[1])
    for _ in range(_MAX_STEPS):
        weight = np.exp(-factors @ found)
        squares, free = _residuals(values, spanned, weight)
        variance = squares.sum(axis=0) / df
        varies = variance >= _NO_VARIANCE
        basis = np.linalg.qr(np.sqrt(weight)[:, None] * spanned)[0]
        # Squared entries of the residual projection
        squared = np.square(np.eye(n_samples) - basis @ basis.T)
        information = prior_n * factors.T @ factors + varies.sum() * _information(factors, squared, free, df)
        score = (squares[:, varies] / variance[varies] - free[:, None]).sum(axis=1) + prior_n * (weight - 1.0)
        gradient = factors.T @ score
        step = np.linalg.solve(information, gradient)
        found = found + step
        if gradient @ step / n_samples / (n_genes + prior_n) < _TOLERANCE:
            break
    return found


def _residuals(
    values: NDArray[np.float64], spanned: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted squared residuals, samples x genes, and one less the leverage of each sample."""
    root = np.sqrt(weight)[:, None]
    basis = np.linalg.qr(root * spanned)[0]
    residual = root * values - basis @ (basis.T @ (root * values))
    return residual**2, 1.0 - np.square(basis).sum(axis=1)


def _information(
    factors: NDArray[np.float64], squared: NDArray[np.float64], free: NDArray[np.float64], df: int
) -> NDArray[np.float64]:
    """Information about the log factors in one gene, after accounting for the variance of the gene."""
    common = factors.T @ free
    return np.asarray(factors.T @ squared @ factors - np.outer(common, common) / df)
