"""What a metric can say: where a replicate of the experiment scores between knowing nothing and perfection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Of the published implementation, so that values can be compared to the last digit
_OFFSET = 1e-6


def dynamic_range_fraction(
    positive: ArrayLike, negative: ArrayLike, *, perfect: float, higher_is_better: bool = True
) -> float | NDArray[np.float64]:
    r"""Fraction of the range of a metric that a replicate of the experiment reaches, per condition.

    .. math:: \frac{\mathrm{positive} - \mathrm{negative}}{\mathrm{perfect} - \mathrm{negative}}

    At 0 the metric cannot tell a replicate from a prediction that knows nothing of the condition: nothing can be
    learned from it on these data.

    Parameters
    ----------
    positive
        What a positive bound scores: a replicate of the condition.
    negative
        What a negative bound scores: a prediction without knowledge of the condition, such as the mean of the others.
    perfect
        The value of a prediction without an error.
    higher_is_better
        Whether larger values are better.

    Returns
    -------
    Values from -1 to 1, beyond which they are cut off. NaN where a bound is missing, or the negative bound is beyond
    the perfect value.

    Raises
    ------
    ValueError
        If the shapes do not fit.

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
    """Whether a replicate of the experiment scores better than a prediction that knows nothing, per condition.

    Its mean over conditions is the bound discrimination score (BDS): 0.5 is chance.

    Parameters
    ----------
    positive
        What a positive bound scores: a replicate of the condition.
    negative
        What a negative bound scores: a prediction without knowledge of the condition, such as the mean of the others.
    higher_is_better
        Whether larger values are better.

    Returns
    -------
    1 where the positive bound is better, 0 where it is not, NaN where a bound is missing.

    Raises
    ------
    ValueError
        If the shapes do not fit.

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
