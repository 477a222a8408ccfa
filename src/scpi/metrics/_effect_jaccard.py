"""Agreement of significant genes with the magnitude and direction of their effects."""

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
    r"""Compute the weighted Jaccard index of the significant effects.

    .. math:: \frac{\sum_g \min(x_g^+, y_g^+) + \min(x_g^-, y_g^-)}{\sum_g \max(x_g^+, y_g^+) + \max(x_g^-, y_g^-)}

    where :math:`x` and :math:`y` are the real and the predicted effects, 0 for genes that are not significant, and
    :math:`x^+` and :math:`x^-` are the magnitudes of positive and negative effects.

    Parameters
    ----------
    real, predicted
        Effects of the genes, such as log fold changes: a vector of genes, or conditions x genes. NaN and infinite
        values count as no effect.
    significant
        Whether a gene is significant in the real cells, in the same shape.
    predicted_significant
        Whether a gene is significant in the predicted cells.

    Returns
    -------
    Values between 0 and 1. If all effects have equal magnitude and the right direction, the value equals that of
    :func:`scpi.metrics.significant_jaccard`. An effect that is predicted three times too large or too small counts one
    third, and a wrong direction counts as two effects without a counterpart. Two empty sets agree, with the value 1.

    Raises
    ------
    ValueError
        If the shapes differ or a mask is not boolean.

    Notes
    -----
    The Jaccard index of the sets alone rises if all changes are scaled up, or if genes are called with any effect.
    Here, both are penalised.

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
