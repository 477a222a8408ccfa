"""Whether predicted cells vary as the real ones do."""

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
    """Median over genes of the predicted over the real variance between cells.

    Parameters
    ----------
    real, predicted
        Cells x genes, dense or sparse (not made dense), at least two cells each.

    Returns
    -------
    A value from 0: 1 where the typical gene varies as it should, less where predicted cells are too much alike, as
    those of most decoders. Genes without variance in the real cells are left out; NaN where no gene varies.

    Raises
    ------
    ValueError
        If the genes differ, there are too few cells, or a value is NaN or infinite.

    Notes
    -----
    Tests of predicted cells inherit this: with a tenth of the variance, t statistics are three times as large. It is
    as easily made right without knowing anything, by adding noise or the predicted change to control cells.

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
    """Root of the mean squared error, over pairs of genes, of their correlation between cells.

    Parameters
    ----------
    real, predicted
        Cells x genes, dense, at least two cells each. Choose the genes, such as the most variable hundreds: memory
        grows with the square of their number, and genes that hardly anyone expresses correlate by chance.

    Returns
    -------
    A value between 0 and 2. Genes without variance in the real cells are left out; one without variance in the
    predicted cells correlates with none. NaN where fewer than two genes vary. Noise alone gives about the
    root of ``1 / n + 1 / m`` with `n` and `m` cells: compare equal numbers, and with two halves of the real cells.

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
    """Whether the values of a column differ by more than rounding in single precision, in which models predict."""
    return np.asarray(np.ptp(values, axis=0) > _ROUNDING * np.abs(values).max(axis=0))


def _correlations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations of columns; 0 for a constant one."""
    residual = values - values.mean(axis=0)
    norm = np.where(_varies(values), np.sqrt((residual**2).sum(axis=0)), np.inf)
    residual /= norm
    return np.clip(residual.T @ residual, -1.0, 1.0)
