from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg, special, stats

from scpi.de._design import as_design, require_residuals
from scpi.de._lm_fit import block_codes, check_weights, check_zeros, finite_matrix

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from scpi.de._design import Design

_BLOCK_BYTES = 1 << 26
_HIGHEST = 0.99
_MARGIN = 0.01
_TRIM = 0.15
_GRID = 100
_N_STEPS = 60
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class DuplicateCorrelation:
    """Correlation of samples of one block."""

    consensus: float
    """Common correlation of all genes."""
    of_genes: NDArray[np.float64]
    """Correlation of each gene; NaN if it cannot be estimated."""


def duplicate_correlation(
    expression: ArrayLike,
    design: ArrayLike | pd.DataFrame | Design,
    block: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    zeros: ArrayLike | None = None,
) -> DuplicateCorrelation:
    """Estimate the correlation of samples of one block, such as those of one donor.

    A correlation uses comparisons within and between blocks, while blocks as covariates use only those within blocks.
    It is thus of use if blocks are incomplete, for example if only some donors have samples under all conditions. The
    correlation of each gene maximises the restricted likelihood of a mixed model. The consensus, which enters the fit
    of all genes, is the trimmed mean after Fisher transformation (Smyth, Michaud and Scott, Bioinformatics 21, 2005).

    Parameters
    ----------
    expression
        Log expression, samples x genes.
    design
        Model matrix, samples x coefficients. It does not contain the blocks.
    block
        Block of each sample.
    weights
        Precision weights, positive, samples x genes or one for each sample.
    zeros
        Values that are uninformative about the variance, samples x genes, as found by :func:`exact_zeros`.

    Returns
    -------
    The common correlation and that of each gene, for `block=` and `correlation=` of :func:`lm_fit` and :func:`voom`.

    Raises
    ------
    ValueError
        If the shapes do not match, there are fewer than two blocks, no block has two samples, or the design leaves no
        residual degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import duplicate_correlation
    >>> rng = np.random.default_rng(0)
    >>> block = np.repeat(np.arange(10), 2)
    >>> expression = rng.normal(size=(10, 300))[block] + rng.normal(size=(20, 300))
    >>> round(duplicate_correlation(expression, np.ones((20, 1)), block).consensus, 1)
    0.5
    """
    values = finite_matrix(expression, "expression")
    n_samples, n_genes = values.shape
    model = as_design(design, n_samples=n_samples)
    require_residuals(model)
    codes = block_codes(block, n_samples)
    largest = int(np.bincount(codes).max())
    if largest < 2 or codes.max() == 0:
        msg = "`block` needs two blocks or more, and at least two samples in one of them."
        raise ValueError(msg)
    member = (codes[:, None] == np.arange(codes.max() + 1)).astype(np.float64)
    spanned = np.hstack([model.member.T.toarray(), model.basis])
    lowest = -1.0 / (largest - 1) + _MARGIN
    if weights is None:
        squares, sizes = _components(values[None], spanned[None], member[None])
        of_genes = _most_likely(squares, sizes, lowest)
    else:
        roots = np.sqrt(check_weights(weights, values.shape)).T
        of_genes = np.empty(n_genes)
        step = max(1, _BLOCK_BYTES // (8 * n_samples * (n_samples + member.shape[1])))
        for part in (slice(start, start + step) for start in range(0, n_genes, step)):
            root = roots[part, :, None]
            of_genes[part] = _most_likely(
                *_components(root * values.T[part, :, None], root * spanned, member[None]), lowest
            )
    if zeros is not None:
        left_out = check_zeros(zeros, values.shape)
        for gene in np.flatnonzero(left_out.any(axis=0)):
            kept = ~left_out[:, gene]
            root = np.ones((n_samples, 1)) if weights is None else roots[gene][:, None]
            columns = linalg.orth((root * spanned)[kept], rcond=1e-7)
            shared = member[kept][:, member[kept].any(axis=0)]
            of_genes[gene] = np.nan
            # A correlation needs two samples in a block, and more samples than coefficients
            if kept.sum() > columns.shape[1] + 1 and shared.shape[1] < kept.sum():
                parts = _components((root * values[:, [gene]])[kept][None], columns[None], shared[None])
                of_genes[gene] = _most_likely(*parts, lowest)[0]
    seen = of_genes[~np.isnan(of_genes)]
    if not len(seen):
        msg = "No gene has two samples of a block that are informative about its variance."
        raise ValueError(msg)
    consensus = np.tanh(stats.trim_mean(np.arctanh(seen), _TRIM))
    return DuplicateCorrelation(float(consensus), of_genes)


def _components(
    values: NDArray[np.float64], design: NDArray[np.float64], member: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotate the residuals into independent components.

    The variance of each component is the variance within blocks plus a multiple of the variance between blocks.

    Parameters
    ----------
    values
        Genes x samples x columns.
    design, member
        Design and indicators of the blocks, genes x samples x columns.

    Returns
    -------
    Squares and multiples, genes x components.
    """
    n_columns = design.shape[2]
    orthogonal = np.linalg.qr(design, mode="complete")[0][:, :, n_columns:].transpose(0, 2, 1)
    rotation, lengths, _ = np.linalg.svd(orthogonal @ member, full_matrices=True)
    parts = np.square(rotation.transpose(0, 2, 1) @ (orthogonal @ values))
    sizes = np.zeros((len(design), orthogonal.shape[1]))
    sizes[:, : lengths.shape[1]] = lengths**2
    # One design for all genes has its genes in the columns
    if values.shape[2] > 1:
        return parts[0].T, np.broadcast_to(sizes, (values.shape[2], sizes.shape[1]))
    return parts[:, :, 0], sizes


def _most_likely(squares: NDArray[np.float64], sizes: NDArray[np.float64], lowest: float) -> NDArray[np.float64]:
    """Correlation of each gene that maximises the restricted likelihood."""

    def misfit(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
        # Variances of the parts over the sum of both variances
        variance = 1.0 - correlation[:, None] + sizes * correlation[:, None]
        positive = np.asarray((variance > 0).all(axis=1))
        variance = np.where(positive[:, None], variance, 1.0)
        found = np.log(variance).sum(axis=1) + squares.shape[1] * np.log((squares / variance).sum(axis=1))
        return np.asarray(np.where(positive, found, np.inf))

    # Dense at both ends, where the likelihood of few blocks may have a narrow second maximum
    whole = 1.0 - lowest + _MARGIN
    lower, upper = (float(special.logit(end / whole)) for end in (_MARGIN, _HIGHEST - lowest + _MARGIN))
    grid = (lowest - _MARGIN) + whole * special.expit(np.linspace(lower, upper, _GRID))
    with np.errstate(divide="ignore"):
        heights = np.stack([misfit(np.full(len(squares), value)) for value in grid])
        best = heights.argmin(axis=0)
        low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, _GRID - 1)]
        for _ in range(_N_STEPS):
            width = _GOLDEN * (high - low)
            left, right = high - width, low + width
            first = misfit(left) <= misfit(right)
            low, high = np.where(first, low, left), np.where(first, right, high)
    return (low + high) / 2.0
