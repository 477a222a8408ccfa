"""Held-out conditions, from which the error of a prediction is estimated."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from scpi._conformal._quantile import group_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Maximum number of classes of the predicted magnitude
_CLASSES = 3
# Minimum number of conditions of a class; members of smaller classes are compared with all conditions
_FEWEST_COMPARED = 10
# Coverage in a class is a multiple of 1 / (n + 1); it may exceed the level by this times (1 - level)
_COARSENESS = 0.1


class LeftOut:
    """Predicted and measured changes of held-out conditions.

    Parameters
    ----------
    predicted, measured, of_mean
        Predicted and measured changes, and the mean change as a baseline; rows x genes.
    groups
        Held-out group of each row. Rows of one group, such as one perturbation in several contexts, count as one.
    """

    def __init__(
        self, predicted: Floats, measured: Floats, of_mean: Floats, groups: NDArray[np.intp] | None = None
    ) -> None:
        self.predicted = np.asarray(predicted, dtype=np.float64)
        self.measured = np.asarray(measured, dtype=np.float64)
        self.groups = np.arange(len(self.predicted)) if groups is None else np.unique(groups, return_inverse=True)[1]
        self._of_mean = np.asarray(of_mean, dtype=np.float64)

    @property
    def n_groups(self) -> int:
        """Number of exchangeable groups."""
        return int(self.groups.max(initial=-1)) + 1

    @cached_property
    def residuals(self) -> Floats:
        """Measured minus predicted changes."""
        return self.measured - self.predicted

    @cached_property
    def errors(self) -> Floats:
        """Root mean squared error over the genes of each row."""
        return size_of(self.residuals)

    @cached_property
    def errors_of_mean(self) -> Floats:
        """Root mean squared error of the mean change."""
        return size_of(self.measured - self._of_mean)

    @cached_property
    def _line(self) -> tuple[float, float]:
        """Intercept and slope of the log error as a function of the log predicted magnitude.

        The slope is a standard error closer to 0 than the least-squares estimate, and between 0 and 1. A larger prediction
        thus never has a smaller expected absolute error, nor a larger expected relative error.
        """
        size, error = _logarithm(size_of(self.predicted)), _logarithm(self.errors)
        x, y, n = size - size.mean(), error - error.mean(), len(size)
        total = float(x @ x)
        if n < 3 or total <= 1e-9 * n:
            return float(error.mean()), 0.0
        slope = float(x @ y) / total
        spread = float(np.sqrt(np.square(y - slope * x).sum() / (n - 2) / total))
        slope = float(np.clip(slope - spread, 0.0, 1.0))
        return float(error.mean() - slope * size.mean()), slope

    def expected_error(self, predicted: Floats) -> Floats:
        """Expected error of predictions (rows x genes), given their magnitude."""
        intercept, slope = self._line
        return np.exp(intercept + slope * _logarithm(size_of(predicted)))

    def half_width(self, predicted: Floats, level: float) -> Floats:
        """Half of the width of the interval of each gene of predictions, rows x genes.

        Errors are divided by the expected error. With enough conditions, they are compared within up to three classes of
        the predicted magnitude (Mondrian). With too few conditions, the width is infinite.
        """
        scores = np.abs(self.residuals) / self.expected_error(self.predicted)[:, None]
        least = _COARSENESS**-1 / (1.0 - level) - 1.0
        own, asked = self._classes(predicted, least)
        factor = np.empty(predicted.shape)
        for code in np.unique(asked):
            rows = own == code
            factor[asked == code] = group_quantile(scores[rows], self.groups[rows], level)
        return np.asarray(factor * self.expected_error(predicted)[:, None])

    def confidence(self, predicted: Floats) -> Floats:
        """Expected fraction (0 to 1) of the squared change that each row of predictions explains."""
        size, error = np.square(size_of(predicted)), np.square(self.expected_error(predicted))
        return np.divide(size, size + error, out=np.zeros_like(size), where=size + error > 0)

    def is_better(self, predicted: Floats) -> NDArray[np.bool_]:
        """Whether predictions of this magnitude were closer to the measured change than the mean change was.

        The mean logarithm of the ratio of both errors must exceed its standard error. It is taken over the held-out
        conditions of the same class of the predicted magnitude, or over all if the class is too small.
        """
        gain = _logarithm(self.errors_of_mean) - _logarithm(self.errors)
        own, asked = self._classes(predicted, _FEWEST_COMPARED)
        better = np.zeros(len(predicted), dtype=bool)
        for code in np.unique(asked):
            of_class = gain[own == code]
            if len(of_class) > 1:
                error = of_class.std(ddof=1) / np.sqrt(len(of_class))
                better[asked == code] = of_class.mean() > max(error, 1e-6)
        return better

    def _classes(self, predicted: Floats, least: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Class of the predicted magnitude of each row, and of other predictions: up to three, each with ``least`` groups or more."""
        size = size_of(self.predicted)
        for n in range(_CLASSES, 0, -1):
            edges = np.quantile(size, np.arange(1, n) / n)
            own = np.searchsorted(edges, size, side="left")
            counts = [len(np.unique(self.groups[own == code])) for code in range(n)]
            if n == 1 or min(counts) >= least:
                break
        return own, np.searchsorted(edges, size_of(predicted), side="left")


def size_of(changes: Floats) -> Floats:
    """Root mean square over the genes of each row."""
    return np.asarray(np.sqrt(np.square(changes).mean(axis=1)))


def _logarithm(values: Floats) -> Floats:
    return np.log(np.maximum(values, 1e-12))
