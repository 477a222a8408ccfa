"""Effects along a contrast, and residual effects, for tests of gene sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._slots import listed
from scpi.de._design import as_design, require_residuals
from scpi.de._lm_fit import check_weights, finite_matrix, whiten
from scpi.de._variance_prior import robust_variance_prior, variance_prior

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from scpi.de._variance_prior import VariancePrior

_BLOCK_BYTES = 1 << 26


def contrast_effects(
    expression: ArrayLike,
    design: ArrayLike | pd.DataFrame,
    contrast: ArrayLike | str,
    weights: ArrayLike | None,
    *,
    block: ArrayLike | None = None,
    correlation: float | None = None,
) -> NDArray[np.float64]:
    """Rotate the samples of each gene.

    Parameters
    ----------
    expression
        Log expression, samples x genes.
    design
        Model matrix, samples x coefficients.
    contrast
        A weight for each coefficient, or the name of one coefficient.
    weights
        Samples x genes, one for each sample, or none.
    block, correlation
        As in :func:`lm_fit`.

    Returns
    -------
    Genes x effects: first the contrast in units of the residual standard deviation, then independent residuals.

    Raises
    ------
    ValueError
        If the shapes do not fit, the contrast is zero or unknown, or the design is not of full rank.
    """
    values = finite_matrix(expression, "expression")
    n_samples, n_genes = values.shape
    model = as_design(design, n_samples=n_samples)
    require_residuals(model)
    columns = _contrast_last(np.asarray(design, dtype=np.float64), _vector(contrast, model.names))
    n_columns = columns.shape[1]
    whitening = whiten(block, correlation, n_samples)
    if weights is None:
        if whitening is not None:
            values, columns = whitening @ values, whitening @ columns
        rotation, triangle = np.linalg.qr(columns, mode="complete")
        effects = values.T @ rotation[:, n_columns - 1 :]
        effects[:, 0] *= np.sign(triangle[n_columns - 1, n_columns - 1])
        return effects
    roots = np.sqrt(check_weights(weights, values.shape)).T
    effects = np.empty((n_genes, n_samples - n_columns + 1))
    step = max(1, _BLOCK_BYTES // (8 * n_samples**2))
    for part in (slice(start, start + step) for start in range(0, n_genes, step)):
        weighted, of_genes = roots[part, :, None] * columns, roots[part] * values.T[part]
        if whitening is not None:
            weighted, of_genes = whitening @ weighted, of_genes @ whitening.T
        rotation, triangle = np.linalg.qr(weighted, mode="complete")
        effects[part] = np.einsum("gn,gne->ge", of_genes, rotation[:, :, n_columns - 1 :])
        effects[part, 0] *= np.sign(triangle[:, n_columns - 1, n_columns - 1])
    return effects


def effects_prior(
    effects: NDArray[np.float64], expression: ArrayLike, *, trend: bool, robust: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], VariancePrior]:
    """Residual variance of each gene, its degrees of freedom, and the prior of the variances.

    ``trend`` and ``robust`` are those of :func:`ebayes`.
    """
    own, df = np.square(effects[:, 1:]).mean(axis=1), np.full(len(effects), effects.shape[1] - 1.0)
    along = np.asarray(expression, dtype=np.float64).mean(axis=0) if trend else None
    return own, df, (robust_variance_prior if robust else variance_prior)(own, df, trend=along)


def set_members(sets: Any, n_genes: int) -> tuple[list[str], list[NDArray[np.intp]]]:
    """Names of gene sets, and the genes of each.

    Parameters
    ----------
    sets
        Genes x sets, dense or sparse; nonzero entries are members.
    n_genes
        Number of genes.

    Returns
    -------
    Names, and numbers of genes.

    Raises
    ------
    ValueError
        If there is not one row per gene, or a set has no gene or all of them.
    """
    names = [str(name) for name in sets.columns] if isinstance(sets, pd.DataFrame) else None
    matrix = sparse.csc_array(sets.to_numpy() if isinstance(sets, pd.DataFrame) else sets)
    if matrix.ndim != 2 or matrix.shape[0] != n_genes or not matrix.shape[1]:
        msg = f"`sets` must be {n_genes} genes x sets, but has shape {matrix.shape}."
        raise ValueError(msg)
    matrix.eliminate_zeros()
    members = [np.sort(matrix.indices[start:end]) for start, end in zip(matrix.indptr, matrix.indptr[1:], strict=False)]
    labels = names or [f"set{i}" for i in range(len(members))]
    wrong = [label for label, genes in zip(labels, members, strict=True) if not 0 < len(genes) < n_genes]
    if wrong:
        msg = f"Sets need a gene that is tested, and one that is not a member: leave out {listed(wrong)}."
        raise ValueError(msg)
    return labels, members


def _vector(contrast: ArrayLike | str, names: tuple[str, ...]) -> NDArray[np.float64]:
    if isinstance(contrast, str):
        if contrast not in names:
            msg = f"`contrast` is {contrast!r}, but the coefficients are {listed(names)}."
            raise ValueError(msg)
        return np.array([name == contrast for name in names], dtype=np.float64)
    vector = np.asarray(contrast, dtype=np.float64)
    if vector.shape != (len(names),) or not np.isfinite(vector).all() or not vector.any():
        msg = (
            f"`contrast` must have a finite weight of each of {len(names)} coefficients, not all zero: {listed(names)}."
        )
        raise ValueError(msg)
    return vector


def _contrast_last(design: NDArray[np.float64], contrast: NDArray[np.float64]) -> NDArray[np.float64]:
    """Another design of the same model, whose last coefficient is the contrast."""
    used = np.flatnonzero(contrast)
    if len(used) == 1:
        others = np.delete(design, used, axis=1)
        return np.hstack([others, design[:, used] / contrast[used]])
    # Coefficients are rotated: the first one along the contrast
    rotation = np.linalg.qr(contrast[:, None], mode="complete")[0]
    rotated = design @ rotation
    return np.hstack([rotated[:, 1:], rotated[:, :1] / (rotation[:, 0] @ contrast)])
