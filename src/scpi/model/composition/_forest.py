"""Random forests of numbers of cells and library sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi.model.composition._cell_numbers import best_size, draw_numbers
from scpi.model.composition._library import LibrarySize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.composition._library import LogSums

    Floats = NDArray[np.float64]

_LEAST = 0.1


class ForestNumbers(NamedTuple):
    """Forest of numbers of cells per exposure; the size is that of groups outside the samples of the trees."""

    forest: Any
    size: float

    def mean(self, x: Floats, exposure: Floats) -> Floats:
        """Expected numbers of cells."""
        return np.asarray(exposure * self.forest.predict(x))

    def draw(self, x: Floats, exposure: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of cells."""
        return draw_numbers(self.mean(x, exposure), self.size, rng)


def forest_numbers(x: Floats, y: Floats, exposure: Floats, *, n_trees: int, seed: int) -> ForestNumbers:
    """Grow the trees of numbers of cells."""
    forest = _grow(x, y / exposure, n_trees, seed)
    left_out = np.maximum(np.nan_to_num(forest.oob_prediction_, nan=float((y / exposure).mean())) * exposure, _LEAST)
    return ForestNumbers(forest, best_size(y, left_out))


def forest_library_size(x: Floats, logs: LogSums, *, n_trees: int, seed: int) -> LibrarySize:
    """Grow the trees of mean logarithms of sizes."""
    forest = _grow(x, logs.mean, n_trees, seed)
    variance = float(logs.square.sum()) / max(float((logs.n - 1.0).sum()), 1.0)
    left_out = float(np.nanmean((forest.oob_prediction_ - logs.mean) ** 2))
    between = max(left_out - variance * float((1.0 / logs.n).mean()), 0.0)
    return LibrarySize(
        lambda wanted: forest.predict(wanted)[:, None], float(np.sqrt(between)), float(np.sqrt(variance))
    )


def _grow(x: Floats, y: Floats, n_trees: int, seed: int) -> Any:
    import warnings

    from sklearn.ensemble import RandomForestRegressor

    with warnings.catch_warnings():
        # With few trees, some groups are in all samples
        warnings.filterwarnings("ignore", message="Some inputs do not have OOB scores", category=UserWarning)
        return RandomForestRegressor(n_trees, oob_score=True, random_state=seed).fit(x, y)
