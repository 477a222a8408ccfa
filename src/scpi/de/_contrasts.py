from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._sequence import as_list
from scpi._slots import listed
from scpi.de._lm_fit import LinearFit
from scpi.de._schur import gene_blocks, normal_equations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

StandardError = Literal["limma", "exact"]


def contrasts(
    fit: LinearFit,
    matrix: ArrayLike | pd.DataFrame,
    *,
    names: Sequence[str] | str | None = None,
    standard_error: StandardError = "limma",
) -> LinearFit:
    """Compute contrasts of the coefficients of a linear model.

    Parameters
    ----------
    fit
        Linear model from :func:`lm_fit`.
    matrix
        Coefficients x contrasts, dense or sparse. The index of a DataFrame names coefficients (missing ones are zero),
        and its columns name the contrasts.
    names
        Names of the contrasts.
    standard_error
        "exact" is the standard error of weighted least squares. "limma" uses the correlation of the coefficients
        without weights, as limma does to avoid a matrix for each gene. It differs by some per cent if weights vary and
        the design is not orthogonal. Without weights, both agree.

    Returns
    -------
    The fit with contrasts instead of coefficients.

    Raises
    ------
    ValueError
        If the shapes do not match, a contrast is empty or not finite, a coefficient is unknown, or `fit` already
        contains contrasts.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import contrasts, lm_fit
    >>> fit = lm_fit([[1.0], [3.0], [4.0], [8.0]], np.repeat(np.eye(2), 2, axis=0))
    >>> contrasts(fit, [[-1.0], [1.0]]).coefficients.tolist()
    [[4.0]]
    """
    if standard_error not in get_args(StandardError):
        msg = f"`standard_error` must be one of {listed(get_args(StandardError))}, but is {standard_error!r}."
        raise ValueError(msg)
    if fit.design is None:
        msg = "`fit` already contains contrasts: multiply the matrices, and compute contrasts of the linear model."
        raise ValueError(msg)
    labels = as_list(names) if names is not None else (matrix.columns if isinstance(matrix, pd.DataFrame) else None)
    by_contrast = _by_contrast(fit, matrix)
    n = by_contrast.shape[0]
    labels = tuple(map(str, labels)) if labels is not None else tuple(f"contrast{i}" for i in range(n))
    if len(labels) != n:
        msg = f"`names` has {len(labels)} names for {n} contrasts."
        raise ValueError(msg)
    exact = standard_error == "exact" and fit.weights is not None
    return LinearFit(
        names=labels,
        coefficients=np.asarray(by_contrast @ fit.coefficients),
        stdev_unscaled=_exact(fit, by_contrast) if exact else _from_correlation(fit, by_contrast),
        sigma=fit.sigma,
        df_residual=fit.df_residual,
        ave_expr=fit.ave_expr,
        root=(by_contrast @ fit.root[0], np.asarray(by_contrast @ fit.root[1])),
    )


def _by_contrast(fit: LinearFit, matrix: ArrayLike | pd.DataFrame) -> Any:
    """Contrasts x coefficients, sparse."""
    if isinstance(matrix, pd.DataFrame):
        unknown = [name for name in matrix.index if name not in fit.names]
        if unknown:
            msg = f"`matrix` names {listed(unknown)}, but the coefficients are {listed(fit.names)}."
            raise ValueError(msg)
        matrix = matrix.reindex(list(fit.names), fill_value=0.0).to_numpy()
    array: Any = matrix if sparse.issparse(matrix) else np.asarray(matrix, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != len(fit.names) or not array.shape[1]:
        msg = f"`matrix` must be {len(fit.names)} coefficients x contrasts, but has shape {array.shape}."
        raise ValueError(msg)
    compressed = sparse.csr_array(array.T, dtype=np.float64)
    compressed.eliminate_zeros()
    if not np.isfinite(compressed.data).all() or (np.diff(compressed.indptr) == 0).any():
        msg = "Every contrast of `matrix` must be finite and have a coefficient that is not zero."
        raise ValueError(msg)
    return compressed


def _from_correlation(fit: LinearFit, by_contrast: Any) -> NDArray[np.float64]:
    """Standard errors from those of the coefficients and their correlation without weights."""
    stdev = np.empty((by_contrast.shape[0], fit.coefficients.shape[1]))
    for row in range(by_contrast.shape[0]):
        part = slice(by_contrast.indptr[row], by_contrast.indptr[row + 1])
        used, factor = by_contrast.indices[part], by_contrast.data[part]
        covariance = fit.sub_covariance(used)
        scale = factor / np.sqrt(np.diag(covariance))
        own = fit.stdev_unscaled[used] * scale[:, None]
        stdev[row] = np.sqrt(np.einsum("jg,jg->g", own, covariance @ own))
    return stdev


def _exact(fit: LinearFit, by_contrast: Any) -> NDArray[np.float64]:
    design, weights = fit.design, fit.weights
    assert design is not None and weights is not None
    of_groups, of_basis = by_contrast @ design.to_groups, np.asarray(by_contrast @ design.to_basis)
    stdev = np.empty((by_contrast.shape[0], weights.shape[1]))
    for block in gene_blocks(design, weights.shape[1], by_contrast.shape[0]):
        equations = normal_equations(design, weights[:, block], fit.whitening)
        stdev[:, block] = np.sqrt(equations.variance(of_groups, of_basis))
    return stdev
