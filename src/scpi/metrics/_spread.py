"""Variance and correlation between predicted cells, compared with real cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_samples
from scpi.metrics._cells import as_cells, check_genes, mean_and_variance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# A few units in the last place of single precision, relative to the largest value
_ROUNDING = 1e-6


def variance_ratio(real: ArrayLike, predicted: ArrayLike) -> float:
    """Compute the median over genes of the ratio of predicted to real variance between cells.

    Parameters
    ----------
    real, predicted
        Cells x genes, dense or sparse (not made dense), at least two cells each.

    Returns
    -------
    A value from 0: 1 if the typical gene has the right variance, less if predicted cells are too similar, as from most
    decoders. Genes without variance in the real cells are excluded; NaN if no gene varies.

    Raises
    ------
    ValueError
        If the genes differ, there are too few cells, or a value is NaN or infinite.

    Notes
    -----
    The ratio affects tests of predicted cells: with a tenth of the variance, t statistics are three times as large. A
    ratio of 1 is no evidence of a good model, as adding noise, or the predicted change to control cells, achieves it.

    Examples
    --------
    >>> from scpi.metrics import variance_ratio
    >>> variance_ratio([[0.0, 0.0, 1.0], [4.0, 2.0, 1.0]], [[0.0, 0.0, 0.0], [2.0, 1.0, 9.0]])
    0.25
    """
    x, y = as_cells(real, "real", min_cells=2), as_cells(predicted, "predicted", min_cells=2)
    check_genes(x, y)
    variance, predicted_variance = mean_and_variance(x)[1], mean_and_variance(y)[1]
    varies = variance > 0
    return float(np.median(predicted_variance[varies] / variance[varies])) if varies.any() else float("nan")


def correlation_error(real: ArrayLike, predicted: ArrayLike) -> float:
    """Compute the root mean squared error of gene-gene correlations between cells.

    Parameters
    ----------
    real, predicted
        Cells x genes, dense, at least two cells each. Select genes, such as a few hundred highly variable ones: memory
        grows with the square of their number, and rarely expressed genes correlate by chance.

    Returns
    -------
    A value between 0 and 2. Genes without variance in the real cells are excluded; genes without variance in the
    predicted cells have correlation 0. NaN if fewer than two genes vary. Noise alone gives about the square root of
    ``1 / n + 1 / m`` with `n` and `m` cells: compare equal numbers of cells, and with two halves of the real cells.

    Raises
    ------
    TypeError
        If a matrix is sparse.
    ValueError
        If the genes differ, there are too few cells, or a value is NaN or infinite.

    Examples
    --------
    >>> from scpi.metrics import correlation_error
    >>> round(correlation_error([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]], [[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]), 6)
    2.0
    """
    x, y = as_samples(real, predicted, min_rows=2, names=("real", "predicted"))
    varies = _varies(x)
    n_genes = int(varies.sum())
    if n_genes < 2:
        return float("nan")
    difference = _correlations(x[:, varies]) - _correlations(y[:, varies])
    np.fill_diagonal(difference, 0.0)
    return float(np.sqrt((difference**2).sum() / (n_genes * (n_genes - 1))))


def _varies(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the values of a column differ by more than rounding in single precision, which models use."""
    return np.asarray(np.ptp(values, axis=0) > _ROUNDING * np.abs(values).max(axis=0))


def _correlations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations of columns; 0 for a constant one."""
    residual = values - values.mean(axis=0)
    norm = np.where(_varies(values), np.sqrt((residual**2).sum(axis=0)), np.inf)
    residual /= norm
    return np.clip(residual.T @ residual, -1.0, 1.0)
