from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def scaled(value: ArrayLike, baseline: ArrayLike, ceiling: ArrayLike) -> float | NDArray[np.float64]:
    r"""Rescale a metric between the scores of a baseline and of a replicate of the experiment.

    .. math:: \frac{\mathrm{value} - \mathrm{baseline}}{\mathrm{ceiling} - \mathrm{baseline}}

    It applies to scores and errors: larger scaled values are always better.

    Parameters
    ----------
    value
        Value of the metric, or an array of them.
    baseline
        Score of a simple prediction, such as the mean change of the other perturbations. Arrays broadcast.
    ceiling
        Score of a replicate, such as :func:`scpi.metrics.split_half_ceiling`.

    Returns
    -------
    0 at the baseline, 1 at the replicate, not clipped: predictions can exceed a replicate of half of the cells. NaN if
    baseline and ceiling coincide.

    Raises
    ------
    ValueError
        If the shapes do not match.

    Notes
    -----
    If noise makes the replicate of a condition *worse* than the baseline, the scale is inverted, and if they nearly
    coincide, the quotient is huge: scale means over conditions rather than single conditions.

    Examples
    --------
    >>> from scpi.metrics import scaled
    >>> scaled(0.25, baseline=1.0, ceiling=0.0)  # an error
    0.75
    """
    try:
        x, low, high = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (value, baseline, ceiling)))
    except ValueError:
        shapes = ", ".join(str(np.shape(v)) for v in (value, baseline, ceiling))
        msg = f"`value`, `baseline` and `ceiling` have shapes {shapes}, which do not fit."
        raise ValueError(msg) from None
    span = high - low
    quotient = np.full(x.shape, np.nan)
    np.divide(x - low, span, out=quotient, where=span != 0)
    return as_result(quotient)
