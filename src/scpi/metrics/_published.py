"""Metrics of earlier studies, for comparison with their values. The user guide describes their faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from scpi._rng import as_generator
from scpi.metrics._arrays import ratio
from scpi.metrics._cells import as_cells, check_genes, mean_of, select_genes, stored_blocks
from scpi.metrics._change import pearson_delta
from scpi.metrics._energy import energy_distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


def _as_both(real: ArrayLike, predicted: ArrayLike, genes: ArrayLike | None) -> tuple[Any, Any]:
    x, y = as_cells(real, "real"), as_cells(predicted, "predicted")
    check_genes(x, y)
    return select_genes(x, genes), select_genes(y, genes)


def mean_r2(real: ArrayLike, predicted: ArrayLike, *, genes: ArrayLike | None = None) -> float:
    """Compute the squared Pearson correlation across genes of the real and the predicted mean expression.

    Parameters
    ----------
    real, predicted
        Cells x genes, dense or sparse.
    genes
        Positions of the genes or a boolean mask, such as the first 20 or 100 of a ranking; all if `None`.

    Returns
    -------
    A value between 0 and 1. NaN if the real mean is equal for all genes, 0 if the predicted mean is.

    Raises
    ------
    ValueError
        If the genes differ, `genes` are not valid positions, or a value is NaN or infinite.

    Notes
    -----
    It is near 1 for any prediction, including control cells, because genes differ much more than conditions. As it is
    squared, it also ignores the sign. Use :func:`scpi.metrics.pearson_delta` and :func:`scpi.metrics.r2` of changes
    instead.

    Examples
    --------
    >>> from scpi.metrics import mean_r2
    >>> round(mean_r2([[0.0, 1.0, 5.0]], [[1.0, 2.0, 6.0], [1.0, 2.0, 6.0]]), 6)
    1.0
    """
    x, y = _as_both(real, predicted, genes)
    return float(pearson_delta(mean_of(x), mean_of(y)) ** 2)


def mean_r2_bootstrap(
    real: ArrayLike,
    predicted: ArrayLike,
    *,
    genes: ArrayLike | None = None,
    n_bootstrap: int = 100,
    fraction: float = 0.8,
    rng: int | np.random.Generator | None = 0,
) -> NDArray[np.float64]:
    """Compute :func:`scpi.metrics.mean_r2` on random subsets of the cells, drawn without replacement.

    Parameters
    ----------
    real, predicted
        Cells x genes, dense or sparse.
    genes
        Positions of the genes or a boolean mask; all if `None`.
    n_bootstrap
        Number of draws.
    fraction
        Fraction of the cells of each sample in a draw, above 0 and up to 1.
    rng
        Seed or generator.

    Returns
    -------
    One value for each draw. Studies report their mean. Their spread is not a confidence interval, as the draws share
    most cells and come from only one condition.

    Raises
    ------
    ValueError
        If the genes differ, `genes` are not valid positions, a value is NaN or infinite, `n_bootstrap` is below 1, or
        `fraction` is out of range.

    Examples
    --------
    >>> from scpi.metrics import mean_r2_bootstrap
    >>> mean_r2_bootstrap([[0.0, 1.0, 5.0]] * 5, [[1.0, 2.0, 6.0]] * 5, n_bootstrap=2).round(6)
    array([1., 1.])
    """
    if n_bootstrap < 1:
        msg = f"`n_bootstrap` must be at least 1, but is {n_bootstrap}."
        raise ValueError(msg)
    if not 0 < fraction <= 1:
        msg = f"`fraction` must be above 0 and up to 1, but is {fraction}."
        raise ValueError(msg)
    generator = as_generator(rng)
    means = [_subset_means(cells, fraction, n_bootstrap, generator) for cells in _as_both(real, predicted, genes)]
    return np.asarray(pearson_delta(*means)) ** 2


def _subset_means(cells: Any, fraction: float, n_bootstrap: int, rng: np.random.Generator) -> NDArray[np.float64]:
    n = cells.shape[0]
    n_drawn = max(1, round(fraction * n))
    weights = np.zeros((n_bootstrap, n))
    weights[:, :n_drawn] = 1.0 / n_drawn
    return np.asarray(rng.permuted(weights, axis=1) @ cells)


def expressing_fraction_difference(
    real: ArrayLike, predicted: ArrayLike, *, genes: ArrayLike | None = None, threshold: float = 0.0
) -> float:
    """Compute the mean over genes of the absolute difference in the fraction of cells that express the gene.

    Parameters
    ----------
    real, predicted
        Cells x genes, dense or sparse.
    genes
        Positions of the genes or a boolean mask; all if `None`.
    threshold
        Expression above which a cell counts, from 0.

    Returns
    -------
    A value between 0 and 1. Decoded cells are rarely exactly 0, and thus express every gene at the threshold 0: the
    value then depends on the last layer of a model rather than on its predictions.

    Raises
    ------
    ValueError
        If the genes differ, `genes` are no positions, a value is NaN or infinite, or the threshold is negative.

    Examples
    --------
    >>> from scpi.metrics import expressing_fraction_difference
    >>> expressing_fraction_difference([[0.0, 1.0], [1.0, 1.0]], [[0.1, 1.0], [0.2, 2.0]])
    0.25
    """
    x, y = (_expressing(cells, threshold)[0] for cells in _as_both(real, predicted, genes))
    return float(np.abs(x - y).mean())


def expressing_mean_difference(
    real: ArrayLike, predicted: ArrayLike, *, genes: ArrayLike | None = None, threshold: float = 0.0
) -> float:
    """Compute the mean over genes of the relative difference in the mean expression of expressing cells.

    Parameters
    ----------
    real, predicted
        Cells x genes, dense or sparse.
    genes
        Positions of the genes or a boolean mask; all if `None`.
    threshold
        Expression above which a cell counts, from 0.

    Returns
    -------
    The mean of ``|real - predicted| / real``, from 0. Genes that no cell of one sample expresses are excluded, so that
    predicting no expression at all is not penalised. NaN if no gene is left.

    Raises
    ------
    ValueError
        If the genes differ, `genes` are no positions, a value is NaN or infinite, or the threshold is negative.

    Examples
    --------
    >>> from scpi.metrics import expressing_mean_difference
    >>> expressing_mean_difference([[0.0, 2.0], [4.0, 2.0]], [[3.0, 0.0], [3.0, 0.0]])
    0.25
    """
    x, y = (_expressing(cells, threshold)[1] for cells in _as_both(real, predicted, genes))
    known = ~np.isnan(x) & ~np.isnan(y)
    return float((np.abs(x - y)[known] / x[known]).mean()) if known.any() else float("nan")


def _expressing(cells: Any, threshold: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fraction of cells above a threshold, and their mean, for each gene."""
    if not threshold >= 0:
        msg = f"`threshold` must not be negative, but is {threshold}."
        raise ValueError(msg)
    if sparse.issparse(cells):
        n_genes = cells.shape[1]
        n, total = np.zeros((2, n_genes))
        for genes, stored in stored_blocks(cells):
            above = stored > threshold
            n += np.bincount(genes, above, minlength=n_genes)
            total += np.bincount(genes, np.where(above, stored, 0.0), minlength=n_genes)
    else:
        expressed = cells > threshold
        n, total = expressed.sum(axis=0), np.where(expressed, cells, 0.0).sum(axis=0)
    return n / cells.shape[0], ratio(np.asarray(total, dtype=np.float64), np.asarray(n, dtype=np.float64))


def distance_ratio(
    real: ArrayLike,
    predicted: ArrayLike,
    control: ArrayLike,
    *,
    distance: Callable[[Any, Any], float] = energy_distance,
    denominator: Literal["real", "predicted"] = "real",
) -> float:
    """Compute the distance of predicted to real cells, relative to the distance of either to the control.

    Parameters
    ----------
    real, predicted, control
        Inputs of `distance`, such as cells x principal components. Fit the components to training and control cells
        only: components that are fitted with the predictions differ between models.
    distance
        Function of two samples, such as :func:`scpi.metrics.energy_distance` or :func:`scpi.metrics.wasserstein`.
    denominator
        `"real"` divides by the distance of the *real* cells to the control, which is the same for all models:
        predicting the control scores 1. `"predicted"` divides by the distance of the *predicted* cells, as published: a
        prediction far from all cells approaches 1, and a prediction near the control, however good, infinity. Use it
        only for comparison with published values.

    Returns
    -------
    The ratio, 0 for a perfect prediction. NaN if the denominator is not above 0, which is possible for unbiased
    distances.

    Raises
    ------
    ValueError
        If the denominator is unknown, or if `distance` raises it.

    Examples
    --------
    >>> from scpi.metrics import distance_ratio, mean_pairwise_distance
    >>> samples = [[4.0]], [[3.0]], [[0.0]]
    >>> distance_ratio(*samples, distance=mean_pairwise_distance)
    0.25
    >>> round(distance_ratio(*samples, distance=mean_pairwise_distance, denominator="predicted"), 6)
    0.333333
    """
    if denominator not in ("real", "predicted"):
        msg = f"`denominator` must be 'real' or 'predicted', but is {denominator!r}."
        raise ValueError(msg)
    error = distance(real, predicted)
    scale = distance(real, control) if denominator == "real" else distance(control, predicted)
    return float(error / scale) if scale > 0 else float("nan")
