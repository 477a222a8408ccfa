"""Error of a predicted mean, corrected for measurement noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_result, ratio
from scpi.metrics._cells import as_cells, check_genes, mean_and_variance, mean_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def mse_unbiased(real: ArrayLike, predicted: ArrayLike, *, correct_predicted: bool = False) -> float:
    r"""Compute the squared error of the mean expression, averaged over genes, without bias from the number of cells.

    .. math:: \frac{1}{G} \sum_g \left[(\bar{x}_g - \bar{y}_g)^2 - \frac{s^2_g}{n}\right]

    The plain squared error is too large by the sampling variance of the real mean: even the true mean would not score
    0, and conditions with few cells would seem hard to predict. The variance :math:`s^2_g` of the `n` real cells gives
    an unbiased estimate of this variance.

    Parameters
    ----------
    real
        Cells of one perturbation, cells x genes, dense or sparse (not made dense). At least two cells.
    predicted
        Predicted cells of the same genes, dense or sparse; a predicted mean is one row.
    correct_predicted
        Whether to subtract the sampling variance of the predicted mean as well, for cells that are drawn independently:
        real cells, such as controls, or samples of a generative model. At least two cells are then needed. A prediction
        can exaggerate its noise by spreading its cells, so that models should be compared without this correction.

    Returns
    -------
    The error in squared units of the expression. Its expected value is the squared error of the expected means; if that
    is small, single values may be negative.

    Raises
    ------
    ValueError
        If the genes differ, there are too few cells, or a value is NaN or infinite.

    Notes
    -----
    The samples must be independent of each other. For expression that is not a mean over cells, such as the logarithm
    of summed counts, the Virtual Cell Challenge of 2026 uses a jackknife instead of the variance; for means over cells,
    both are equal.

    Examples
    --------
    >>> from scpi.metrics import mse_unbiased
    >>> mse_unbiased([[0.0], [2.0]], [[3.0]])
    3.0
    """
    x = as_cells(real, "real", min_cells=2)
    y = as_cells(predicted, "predicted", min_cells=2 if correct_predicted else 1)
    check_genes(x, y)
    mean, variance = mean_and_variance(x)
    noise = variance / x.shape[0]
    if correct_predicted:
        predicted_mean, variance = mean_and_variance(y)
        noise = noise + variance / y.shape[0]
    else:
        predicted_mean = mean_of(y)
    return float(((mean - predicted_mean) ** 2 - noise).mean())


def mse_normalised(error: ArrayLike, effect: ArrayLike) -> float | NDArray[np.float64]:
    r"""Compute the error of the mean relative to the magnitude of the effects, as a ratio of sums over conditions.

    .. math:: \frac{\sum_p \mathrm{error}_p}{\sum_p \mathrm{effect}_p}

    It takes the values of :func:`scpi.metrics.mse_unbiased` for each condition, not the cells, so that conditions can
    be scored one at a time and resampled in a bootstrap. The error is ``mse_unbiased(real, predicted)``, the effect
    ``mse_unbiased(real, control, correct_predicted=True)``. A mean of ratios per condition would be dominated by
    conditions with almost no effect.

    Parameters
    ----------
    error
        Error of each condition, with conditions on the last axis, such as models x conditions.
    effect
        Magnitude of the effect in the same conditions, in an array that broadcasts against `error`.

    Returns
    -------
    One number, or one for each model: 0 is perfect, 1 is the error of predicting the control. NaN if the effects do not
    sum to a positive value, so that these cells show no effect.

    Raises
    ------
    ValueError
        If the shapes do not match, or a value is NaN or infinite.

    Examples
    --------
    >>> from scpi.metrics import mse_normalised
    >>> mse_normalised([0.25, 0.5], [1.0, 0.5])
    0.5
    """
    try:
        errors, effects = np.broadcast_arrays(np.asarray(error, dtype=float), np.asarray(effect, dtype=float))
    except ValueError:
        msg = (
            f"`error` has shape {np.shape(error)} and `effect` {np.shape(effect)}: they must be of the same conditions."
        )
        raise ValueError(msg) from None
    errors, effects = np.atleast_1d(errors, effects)
    if not (np.isfinite(errors).all() and np.isfinite(effects).all()):
        msg = "`error` or `effect` has NaN or infinite values: leave these conditions out of both."
        raise ValueError(msg)
    return as_result(ratio(errors.sum(axis=-1), effects.sum(axis=-1)))
