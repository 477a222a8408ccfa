"""Errors of a predicted change, weighted by how clearly genes change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_changes, as_result, ratio
from scpi.metrics._cells import as_cells, check_genes, mean_and_variance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def change_weights(cells: ArrayLike, control: ArrayLike) -> NDArray[np.float64]:
    r"""Compute weights of genes by how clearly they change: the squared, scaled magnitude of their t statistic.

    .. math:: w_g \propto \left(\frac{|t_g| - \min_h |t_h|}{\max_h |t_h| - \min_h |t_h|}\right)^2

    Parameters
    ----------
    cells
        Real cells of one perturbation, cells x genes, dense or sparse, normalised and log-transformed.
    control
        Cells to compare with: control cells, or all other perturbed cells, which gives weight to genes that are
        specific to the perturbation.

    Returns
    -------
    One weight for each gene, with the sum 1. A gene without variance in both samples has no t statistic and the weight
    0. If all t statistics are equal, so are the weights.

    Raises
    ------
    ValueError
        If either sample has fewer than two cells, the genes differ, or a value is NaN or infinite.

    Notes
    -----
    Mejia et al. (arXiv 2506.22641, 2025) use the t statistic of scanpy's `"t-test_overestim_var"`; here it is Welch's.
    The weights come from the cells to be predicted: genes with large noise also get weight, so that even a perfect
    model does not reach 1. Half of the cells, scored with the same weights, give the attainable value.

    Examples
    --------
    >>> from scpi.metrics import change_weights
    >>> change_weights([[0.0, 4.0], [2.0, 6.0]], [[0.0, 0.0], [2.0, 2.0]])
    array([0., 1.])
    """
    x, y = as_cells(cells, "cells", min_cells=2), as_cells(control, "control", min_cells=2)
    check_genes(x, y, "control", first="cells")
    (mean, variance), (control_mean, control_variance) = mean_and_variance(x), mean_and_variance(y)
    error = np.sqrt(variance / x.shape[0] + control_variance / y.shape[0])
    tested = error > 0
    size = np.divide(np.abs(mean - control_mean), error, out=np.zeros_like(error), where=tested)
    if not tested.any() or np.ptp(size[tested]) == 0:
        return np.full(len(size), 1.0 / len(size))
    size -= size[tested].min()
    size[~tested] = 0.0
    weights = (size / size.max()) ** 2
    return weights / weights.sum()


def _as_weights(weights: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Weights of the genes of each condition, with the sum 1."""
    values = np.asarray(weights, dtype=np.float64)
    if values.shape not in (shape, shape[-1:]):
        msg = f"`weights` must be of the genes or of shape {shape} like the changes, but has shape {values.shape}."
        raise ValueError(msg)
    total = values.sum(axis=-1, keepdims=True)
    if not np.isfinite(values).all() or (values < 0).any() or (total == 0).any():
        msg = "`weights` must be finite, not negative, and not all zero."
        raise ValueError(msg)
    return np.broadcast_to(values / total, shape)


def weighted_mse(real: ArrayLike, predicted: ArrayLike, weights: ArrayLike) -> float | NDArray[np.float64]:
    """Compute the weighted mean squared error of a change over genes.

    Parameters
    ----------
    real, predicted
        Changes: a vector of genes, or conditions x genes.
    weights
        Weights of the genes, or conditions x genes, such as from :func:`scpi.metrics.change_weights`. They are scaled
        to the sum 1.

    Returns
    -------
    Values from 0, in squared units of the change.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is NaN or infinite, or weights are negative or all zero.

    Examples
    --------
    >>> from scpi.metrics import weighted_mse
    >>> weighted_mse([0.0, 0.0], [1.0, 3.0], [3.0, 1.0])
    3.0
    """
    x, y = as_changes(real, predicted)
    return as_result((_as_weights(weights, x.shape) * (x - y) ** 2).sum(axis=-1))


def weighted_r2(real: ArrayLike, predicted: ArrayLike, weights: ArrayLike) -> float | NDArray[np.float64]:
    r"""Compute the fraction of the weighted variance across genes of the real change that the prediction explains.

    .. math:: 1 - \frac{\sum_g w_g (x_g - y_g)^2}{\sum_g w_g (x_g - \bar{x}_w)^2},
       \qquad \bar{x}_w = \sum_g w_g x_g

    Parameters
    ----------
    real, predicted
        Changes: a vector of genes, or conditions x genes. Mejia et al. (arXiv 2506.22641, 2025) use changes relative to
        the mean of all perturbations, so that predicting this mean explains nothing; relative to the control, it may
        explain much.
    weights
        Weights of the genes, or conditions x genes, such as from :func:`scpi.metrics.change_weights`.

    Returns
    -------
    Values up to 1, not clipped at 0; with equal weights those of :func:`scpi.metrics.r2`. NaN if the real change is
    equal for all genes with a weight.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is NaN or infinite, or weights are negative or all zero.

    Examples
    --------
    >>> from scpi.metrics import weighted_r2
    >>> weighted_r2([0.0, 2.0, 9.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0])
    0.5
    """
    x, y = as_changes(real, predicted)
    w = _as_weights(weights, x.shape)
    counted = np.where(w > 0, x, np.nan)
    constant = np.nanmax(counted, axis=-1) == np.nanmin(counted, axis=-1)
    total = (w * (x - (w * x).sum(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return as_result(1.0 - ratio((w * (x - y) ** 2).sum(axis=-1), np.where(constant, 0.0, total)))
