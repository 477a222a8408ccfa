"""Whether the significant genes agree together with the size and the direction of their effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_mask, as_result
from scpi.metrics._differential import as_effects

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def effect_jaccard(
    real: ArrayLike, predicted: ArrayLike, significant: ArrayLike, *, predicted_significant: ArrayLike
) -> float | NDArray[np.float64]:
    r"""Weighted Jaccard index of the significant effects: how much of them is common to both.

    .. math:: \frac{\sum_g \min(x_g^+, y_g^+) + \min(x_g^-, y_g^-)}{\sum_g \max(x_g^+, y_g^+) + \max(x_g^-, y_g^-)}

    where :math:`x` and :math:`y` are the real and the predicted effects, 0 where a gene is not significant, and
    :math:`x^+` and :math:`x^-` their sizes upwards and downwards.

    Parameters
    ----------
    real, predicted
        Effects of the genes, such as log fold changes: a vector of genes, or conditions x genes. A predicted one that is
        NaN or infinite is no effect, and so is a real one.
    significant
        Whether a gene is significant in the real cells, in the same shape.
    predicted_significant
        Whether it is in the predicted cells.

    Returns
    -------
    Values between 0 and 1. Where all effects are of one size and right in direction, that of
    :func:`scpi.metrics.significant_jaccard`. An effect that is predicted three times too large or too small counts one
    third, and a wrong direction as two effects without a counterpart. Two empty sets agree, with the value 1.

    Raises
    ------
    ValueError
        If the shapes differ or a mask is not boolean.

    Notes
    -----
    The index of the sets alone rises when all changes are scaled up, or genes are called with any effect: both have their
    price here.

    Examples
    --------
    >>> from scpi.metrics import effect_jaccard
    >>> called = [True, True, True, False]
    >>> effect_jaccard([2.0, -1.0, 1.0, 0.1], [1.0, -1.0, -1.0, 9.0], called, predicted_significant=called)
    0.4
    """
    x, y = as_effects(real, predicted, "predicted")
    x, y = (
        np.where(as_mask(mask, name, x.shape) & np.isfinite(effects), effects, 0.0)
        for effects, mask, name in (
            (x, significant, "significant"),
            (y, predicted_significant, "predicted_significant"),
        )
    )
    same = np.sign(x) == np.sign(y)
    common = np.where(same, np.minimum(np.abs(x), np.abs(y)), 0.0).sum(axis=-1)
    either = (np.abs(x) + np.abs(y)).sum(axis=-1) - common
    return as_result(np.where(either > 0, common / np.where(either > 0, either, 1.0), 1.0))
