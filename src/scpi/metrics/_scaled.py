from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def scaled(value: ArrayLike, baseline: ArrayLike, ceiling: ArrayLike) -> float | NDArray[np.float64]:
    r"""Place a metric between what a baseline scores and what a replicate of the experiment scores.

    .. math:: \frac{\mathrm{value} - \mathrm{baseline}}{\mathrm{ceiling} - \mathrm{baseline}}

    It serves for scores and for errors alike, as better is always up.

    Parameters
    ----------
    value
        Value of the metric, or an array of them.
    baseline
        What a simple prediction scores, such as the mean change of the other perturbations. Arrays broadcast.
    ceiling
        What a replicate scores, such as :func:`scpi.metrics.split_half_ceiling`.

    Returns
    -------
    0 at the baseline, 1 at the replicate, not cut off: a replicate of half of the cells can be beaten. NaN where the
    two coincide.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    Where noise makes the replicate of a condition *worse* than the baseline, the scale is upside down, and where they
    nearly coincide the quotient is huge: scale means over conditions rather than single ones.

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
