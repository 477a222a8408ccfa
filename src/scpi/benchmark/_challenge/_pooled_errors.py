"""Squared errors of predicted profiles, without what the draw of the cells adds to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]


def capped_errors(
    real: Floats, predicted: Floats, real_noise: Floats, predicted_noise: Floats, targets: Mask
) -> Floats:
    """Mean squared error of each predicted profile over the genes that are not its targets.

    The noise of both profiles is subtracted, but of the predicted one no more than of the real one, and in sum over conditions no
    more than the squared differences of the predicted profiles from their mean: a prediction that claims noise which its
    profiles do not have gains nothing.

    Parameters
    ----------
    real, predicted
        Profiles, conditions x genes.
    real_noise, predicted_noise
        Their variances, summed over genes.
    targets
        Genes that are not scored, conditions x genes.

    Returns
    -------
    One error per condition; NaN where no gene is left.
    """
    n_genes = (~targets).sum(axis=1).astype(np.float64)
    weight = np.divide(1.0, n_genes, out=np.zeros_like(n_genes), where=n_genes > 0)
    noise = np.minimum(predicted_noise, real_noise)
    claimed = float(noise @ weight)
    if claimed > 0:
        noise = noise * min(_spread(predicted, targets, weight) / claimed, 1.0)
    return _mean_error(real - predicted, noise + real_noise, targets, n_genes)


def effect_sizes(real: Floats, control: Floats, real_noise: Floats, control_noise: float, targets: Mask) -> Floats:
    """The same for the profile of the control as a prediction: the size of the effect of each condition."""
    n_genes = (~targets).sum(axis=1).astype(np.float64)
    return _mean_error(real - control, real_noise + control_noise, targets, n_genes)


def _mean_error(difference: Floats, noise: Floats, targets: Mask, n_genes: Floats) -> Floats:
    error = np.where(targets, 0.0, difference**2).sum(axis=1) - noise
    return np.divide(error, n_genes, out=np.full_like(error, np.nan), where=n_genes > 0)


def _spread(predicted: Floats, targets: Mask, weight: Floats) -> float:
    """Weighted squared differences of the predicted profiles from their mean, each without its targets."""
    kept = np.where(targets, 0.0, weight[:, None])
    total = kept.sum(axis=0)
    several = ((~targets).sum(axis=0) > 1) & (total > 0)
    kept, values = kept[:, several], predicted[:, several]
    centred = values - (kept * values).sum(axis=0) / total[several]
    return float((kept * centred**2).sum())
