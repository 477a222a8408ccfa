"""Error of the most confident predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class RiskCoverage(NamedTuple):
    """Mean risk of the retained predictions, as the least confident are dropped."""

    coverage: NDArray[np.float64]
    """Fraction of retained predictions, up to 1; predictions of equal confidence are retained together."""
    risk: NDArray[np.float64]
    """Mean risk of the retained predictions."""

    @property
    def area(self) -> float:
        """Mean risk over all fractions, in steps of one prediction; smaller if confidence predicts low risk."""
        widths = np.diff(self.coverage, prepend=0.0)
        return float(widths @ self.risk)


def risk_coverage(confidence: ArrayLike, risk: ArrayLike) -> RiskCoverage:
    """Compute the risk-coverage curve: the mean risk of the most confident predictions.

    Parameters
    ----------
    confidence
        Confidence of each prediction, such as `obs["confidence"]` of predicted cells.
    risk
        Error of each prediction, such as its squared error.

    Returns
    -------
    Retained fractions in ascending order, and the mean risk of each.

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
