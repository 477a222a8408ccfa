"""Dynamic range of a metric, between an uninformed prediction and a replicate of the experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Constant of the published implementation, so that values agree to the last digit
_OFFSET = 1e-6


def dynamic_range_fraction(
    positive: ArrayLike, negative: ArrayLike, *, perfect: float, higher_is_better: bool = True
) -> float | NDArray[np.float64]:
    r"""Compute the fraction of the range of a metric that a replicate of the experiment reaches, per condition.

    .. math:: \frac{\mathrm{positive} - \mathrm{negative}}{\mathrm{perfect} - \mathrm{negative}}

    At 0, the metric does not distinguish a replicate from a prediction without knowledge of the condition, and is not
    informative on these data.

    Parameters
    ----------
    positive
        Score of the positive bound: a replicate of the condition.
    negative
        Score of the negative bound: a prediction without knowledge of the condition, such as the mean of the others.
    perfect
        Score of a prediction without error.
    higher_is_better
        Whether larger values are better.

    Returns
    -------
    Values clipped to the range from -1 to 1. NaN if a bound is missing, or the negative bound is beyond the perfect
    value.

    Raises
    ------
    ValueError
        If the shapes do not match.

    Notes
    -----
    Miller et al., bioRxiv 2025.10.20.683304. As in the published implementation, 1e-6 is added to the denominator.

    Examples
    --------
    >>> from scpi.metrics import dynamic_range_fraction
    >>> round(dynamic_range_fraction(0.8, 0.2, perfect=1.0), 4)
    0.75
    """
    x, low = _pair(positive, negative)
    sign = 1.0 if higher_is_better else -1.0
    span = sign * (perfect - low)
    quotient = np.clip(sign * (x - low) / (np.where(span < 0, np.nan, span) + _OFFSET), -1.0, 1.0)
    return as_result(quotient)


def bound_discrimination(
    positive: ArrayLike, negative: ArrayLike, *, higher_is_better: bool = True
) -> float | NDArray[np.float64]:
    """Test whether a replicate of the experiment scores better than an uninformed prediction, per condition.

    The mean over conditions is the bound discrimination score (BDS); 0.5 is the chance level.

    Parameters
    ----------
    positive
        Score of the positive bound: a replicate of the condition.
    negative
        Score of the negative bound: a prediction without knowledge of the condition, such as the mean of the others.
    higher_is_better
        Whether larger values are better.

    Returns
    -------
    1 if the positive bound is better, 0 if not, NaN if a bound is missing.

    Raises
    ------
    ValueError
        If the shapes do not match.

    Examples
    --------
    >>> from scpi.metrics import bound_discrimination
    >>> bound_discrimination([0.8, 0.1], [0.2, 0.1])
    array([1., 0.])
    """
    x, low = _pair(positive, negative)
    better = x > low if higher_is_better else x < low
    return as_result(np.where(np.isfinite(x) & np.isfinite(low), better, np.nan))


def _pair(positive: ArrayLike, negative: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        x, low = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (positive, negative)))
    except ValueError:
        msg = f"`positive` and `negative` have shapes {np.shape(positive)} and {np.shape(negative)}, which do not fit."
        raise ValueError(msg) from None
    return x, low
