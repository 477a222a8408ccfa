"""Errors of a predicted change in which the genes that change count most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_changes, as_result, ratio
from scpi.metrics._cells import as_cells, check_genes, mean_and_variance

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def change_weights(cells: ArrayLike, control: ArrayLike) -> NDArray[np.float64]:
    r"""Weights of genes by how clearly they change: the square of the scaled size of their t statistic.

    .. math:: w_g \propto \left(\frac{|t_g| - \min_h |t_h|}{\max_h |t_h| - \min_h |t_h|}\right)^2

    Parameters
    ----------
    cells
        Real cells of one perturbation, cells x genes, dense or sparse, normalised and log-transformed.
    control
        The cells that they are compared with: control cells, or all other perturbed cells, which gives the weights to
        what is special about the perturbation.

    Returns
    -------
    One weight for each gene, with the sum 1. A gene without variance in both samples has no t statistic and the
    weight 0. Where no gene stands out, all have the same.

    Raises
    ------
    ValueError
        If there are fewer than two cells of a kind, the genes differ, or a value is NaN or infinite.

    Notes
    -----
    Mejia et al. (arXiv 2506.22641, 2025), there with the t statistic of scanpy's `"t-test_overestim_var"`, here with
    Welch's. The weights come from the cells that are to be predicted: what noise makes large is also given weight, so
    that even a perfect model does not reach 1. Half of the cells, scored with the same weights, show what can be
    reached.

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
    """Weighted mean over genes of the squared error of a change.

    Parameters
    ----------
    real, predicted
        Changes: a vector of genes, or conditions x genes.
    weights
        Weights of the genes, or conditions x genes, such as :func:`scpi.metrics.change_weights` gives. They are scaled
        to the sum 1.

    Returns
    -------
    Values from 0, in squared units of the change.

    Raises
    ------
    ValueError
        If the shapes do not fit, a value is NaN or infinite, or weights are negative or all zero.

    Examples
    --------
    >>> from scpi.metrics import weighted_mse
    >>> weighted_mse([0.0, 0.0], [1.0, 3.0], [3.0, 1.0])
    3.0
    """
    x, y = as_changes(real, predicted)
    return as_result((_as_weights(weights, x.shape) * (x - y) ** 2).sum(axis=-1))


def weighted_r2(real: ArrayLike, predicted: ArrayLike, weights: ArrayLike) -> float | NDArray[np.float64]:
    r"""Fraction of the weighted variance across genes of the real change that the prediction explains.

    .. math:: 1 - \frac{\sum_g w_g (x_g - y_g)^2}{\sum_g w_g (x_g - \bar{x}_w)^2},
       \qquad \bar{x}_w = \sum_g w_g x_g

    Parameters
    ----------
    real, predicted
        Changes: a vector of genes, or conditions x genes. Mejia et al. (arXiv 2506.22641, 2025) take them against the
        mean of all perturbations, so that predicting this mean for each of them explains nothing; against the control
        it may explain much.
    weights
        Weights of the genes, or conditions x genes, such as :func:`scpi.metrics.change_weights` gives.

    Returns
    -------
    Values up to 1, not cut off at 0; with equal weights those of :func:`scpi.metrics.r2`. NaN where the real change is
    the same for all genes that have a weight.

    Raises
    ------
    ValueError
        If the shapes do not fit, a value is NaN or infinite, or weights are negative or all zero.

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
