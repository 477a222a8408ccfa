"""How far off the surest predictions are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class RiskCoverage(NamedTuple):
    """Mean risk of the predictions that are kept, as the least sure are dropped."""

    coverage: NDArray[np.float64]
    """Fraction of the predictions that are kept, up to 1; predictions of one confidence are kept together."""
    risk: NDArray[np.float64]
    """Mean risk of those."""

    @property
    def area(self) -> float:
        """Mean risk over all fractions, in steps of one prediction: smaller where confidence and risk go together."""
        widths = np.diff(self.coverage, prepend=0.0)
        return float(widths @ self.risk)


def risk_coverage(confidence: ArrayLike, risk: ArrayLike) -> RiskCoverage:
    """Risk-coverage curve: the mean risk of the predictions with the largest confidence.

    Parameters
    ----------
    confidence
        How sure each prediction is, such as `obs["confidence"]` of predicted cells.
    risk
        How far off each was, such as its squared error.

    Returns
    -------
    Fractions that are kept, from the smallest on, and the mean risk of each.

    Raises
    ------
    ValueError
        If there are no predictions, the lengths differ, or a value is NaN or infinite.

    Examples
    --------
    >>> from scpi.metrics import risk_coverage
    >>> curve = risk_coverage([0.9, 0.1, 0.5], [1.0, 6.0, 2.0])
    >>> curve.risk.tolist(), curve.area
    ([1.0, 1.5, 3.0], 1.8333333333333333)
    """
    sure, off = np.asarray(confidence, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    if sure.ndim != 1 or sure.shape != off.shape or not len(sure):
        msg = f"`confidence` and `risk` must be vectors of the same length, but their shapes are {sure.shape} and {off.shape}."
        raise ValueError(msg)
    if not (np.isfinite(sure).all() and np.isfinite(off).all()):
        msg = "`confidence` and `risk` must be finite, but hold NaN or infinite values."
        raise ValueError(msg)
    order = np.argsort(-sure, kind="stable")
    n = np.arange(1, len(sure) + 1)
    last = np.append(np.diff(sure[order]) != 0, True)
    return RiskCoverage((n / len(sure))[last], (np.cumsum(off[order]) / n)[last])
