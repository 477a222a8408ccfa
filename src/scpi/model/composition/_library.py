"""Log-normal library sizes of groups of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scpi.model.conditions._regression import fit_ridge

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scpi.model.conditions._regression import RidgeFit

    Floats = NDArray[np.float64]


class LogSums(NamedTuple):
    """Summaries of the log sizes of the cells of each group."""

    n: Floats
    """Number of cells."""
    mean: Floats
    """Mean of the logarithms."""
    square: Floats
    """Sum of squared deviations from the mean."""


class LibrarySize(NamedTuple):
    """Logarithms of sizes: groups around what is expected of them, and cells around their group."""

    regression: RidgeFit | Callable[[Floats], Floats]
    between: float
    """Standard deviation of the means of groups that were left out, without that of the mean of few cells."""
    within: float
    """Standard deviation of the cells of a group."""

    def median(self, x: Floats) -> Floats:
        """Median of the cells of groups."""
        return np.exp(self.regression(x)[:, 0])

    def draw(self, x: Floats, rng: np.random.Generator) -> Floats:
        """Median of the cells of groups, drawn."""
        return self.median(x) * np.exp(self.between * rng.normal(size=len(x)))


def log_sums(sizes: Floats, group: NDArray[np.int64], n_groups: int) -> LogSums:
    """Numbers, means and squares of the logarithms of positive sizes of cells, by group."""
    logs = np.log(np.maximum(sizes, 1.0))
    n = np.bincount(group, minlength=n_groups).astype(np.float64)
    mean = np.bincount(group, weights=logs, minlength=n_groups) / np.maximum(n, 1.0)
    square = np.bincount(group, weights=(logs - mean[group]) ** 2, minlength=n_groups).astype(np.float64)
    return LogSums(n, mean, square)


def fit_library_size(x: Floats, logs: LogSums) -> LibrarySize:
    """Fit the means of groups to indicators `x` (groups x columns)."""
    free = max(float((logs.n - 1.0).sum()), 1.0)
    variance = float(logs.square.sum()) / free
    regression = fit_ridge(x, logs.mean[:, None], None)
    left_out = float((regression.left_out**2).mean())
    between = max(left_out - variance * float((1.0 / logs.n).mean()), 0.0)
    return LibrarySize(regression, float(np.sqrt(between)), float(np.sqrt(variance)))
