from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from scpi._screen._checks import check_counts
from scpi._screen._matrix import as_dense, sums
from scpi.de._design import as_design, require_residuals
from scpi.de._library import library_sizes
from scpi.de._lm_fit import average, check_weights, residual_sd, solve, whiten
from scpi.de._lowess import lowess_curve
from scpi.de._weighted_lowess import weighted_lowess_curve

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from scpi.de._design import Design

_BLOCK_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class Voom:
    """Log expression with precision weights from its mean-variance trend."""

    expression: NDArray[np.float64]
    """Log2 counts per million, samples x genes."""
    weights: NDArray[np.float64]
    """Inverse variances predicted by the trend, samples x genes."""
    lib_size: NDArray[np.float64]
    """Effective library size of each sample."""
    mean_log_count: NDArray[np.float64]
    """Mean log2 count of each gene, the abscissa of the trend; NaN for genes without counts."""
    sqrt_sd: NDArray[np.float64]
    """Square root of the residual standard deviation of each gene, the ordinate; NaN for genes without counts."""
    line: NDArray[np.float64]
    """The trend at each gene; NaN for genes without counts."""
    span: float
    """Fraction of the genes used for each point of the trend."""


def voom(
    counts: ArrayLike,
    design: ArrayLike | pd.DataFrame | Design,
    *,
    lib_size: ArrayLike | None = None,
    norm_factors: ArrayLike | None = None,
    span: float | Literal["adaptive"] = 0.5,
    sample_weights: ArrayLike | None = None,
    block: ArrayLike | None = None,
    correlation: float | None = None,
    zeros: ArrayLike | None = None,
) -> Voom:
    """Transform counts to log expression with precision weights.

    The variance of log counts decreases with their mean. The weight of each value is given by the trend of the residual
    standard deviations of all genes, at its expected count (Law et al., Genome Biol. 15:R29, 2014).

    Parameters
    ----------
    counts
        Samples x genes, dense or sparse. The result is dense.
    design
        Model matrix, samples x coefficients.
    lib_size
        Library sizes; sums of the counts if omitted.
    norm_factors
        Factors that multiply the library sizes, from :func:`norm_factors`; ones if omitted.
    span
        Fraction of the genes used for each point of the trend. limma used 0.5 up to version 3.54. Newer versions use a
        span that decreases with the number of genes, from 1 with 50 genes down to 0.3: "adaptive".
    sample_weights
        Weight of each sample in the fit for the trend, from :func:`array_weights`. The returned weights do not include
        them.
    block, correlation
        Blocks of correlated samples in that fit, and their correlation: see :func:`lm_fit`.
    zeros
        Values that are uninformative about the variance, samples x genes, as found by :func:`exact_zeros`.

    Returns
    -------
    Log expression, its weights, and the trend.

    Raises
    ------
    ValueError
        If the values are not counts, a sample has none, the shapes do not match, fewer than two genes have counts, or
        the design leaves no residual degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import voom
    >>> counts = np.random.default_rng(0).poisson(20, size=(6, 100))
    >>> result = voom(counts, np.repeat(np.eye(2), 3, axis=0))
    >>> result.expression.shape, result.weights.shape
    ((6, 100), (6, 100))
    """
    matrix = check_counts(counts)
    n_samples, n_genes = matrix.shape
    sizes = library_sizes(matrix, lib_size)
    if norm_factors is not None:
        sizes = library_sizes(matrix, sizes * np.asarray(norm_factors, dtype=np.float64))
    model = as_design(design, n_samples=n_samples)
    require_residuals(model)

    expression = as_dense(matrix, np.float64) + 0.5
    counted = sums(matrix, axis=0) > 0
    if counted.sum() < 2:
        msg = f"A trend of the variance needs at least two genes with counts, but {int(counted.sum())} has any."
        raise ValueError(msg)
    expression /= (sizes + 1.0)[:, None]
    expression *= 1e6
    np.log2(expression, out=expression)

    weights = None if sample_weights is None else check_weights(sample_weights, expression.shape)
    whitening = whiten(block, correlation, n_samples)
    found = solve(expression, model, weights, whitening)
    sigma, df = residual_sd(expression, model, weights, whitening, found.rss, zeros)
    depth = np.log2(sizes + 1.0) - np.log2(1e6)
    counted &= df > 0
    x = np.where(counted, average(expression, zeros) + depth.mean(), np.nan)
    y = np.where(counted, np.sqrt(sigma), np.nan)
    share = adaptive_span(int(counted.sum())) if span == "adaptive" else float(span)
    if not 0 < share <= 1:
        msg = f"`span` must be a fraction of the genes, above 0 and at most 1, or 'adaptive', but is {span!r}."
        raise ValueError(msg)
    if (df == df[0]).all():
        corners, heights = lowess_curve(x[counted], y[counted], span=share)
    else:
        corners, heights = weighted_lowess_curve(x[counted], y[counted], df[counted], span=share)
    line = np.where(counted, np.interp(x, corners, heights), np.nan)

    weights = np.empty_like(expression)
    for part in _blocks(n_samples, n_genes):
        expected = model.fitted(found.of_groups[:, part], found.of_basis[:, part])
        expected += depth[:, None]
        # The square of a square takes a tenth of the time of a power
        weights[:, part] = 1.0 / np.square(np.square(np.interp(expected, corners, heights)))
    return Voom(
        expression=expression, weights=weights, lib_size=sizes, mean_log_count=x, sqrt_sd=y, line=line, span=share
    )


def adaptive_span(n_genes: int) -> float:
    """Fraction of the genes used for each point of the trend in newer versions of limma."""
    return min(0.3 + 0.7 * (50.0 / n_genes) ** (1.0 / 3.0), 1.0)


def _blocks(n_samples: int, n_genes: int) -> list[slice]:
    size = max(1, _BLOCK_BYTES // (8 * n_samples))
    return [slice(start, start + size) for start in range(0, n_genes, size)]
