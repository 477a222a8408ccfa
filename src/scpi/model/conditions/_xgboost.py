"""Boosted trees of XGBoost on what is known of a condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scpi._optional import import_extra
from scpi.model.conditions._low_rank import low_rank
from scpi.model.conditions._rows import Method, n_codes

if TYPE_CHECKING:
    import numpy as np

    from scpi.model.conditions._rows import Floats, Predictor, Rows


@dataclass(frozen=True)
class XGBoost(Method):
    """XGBoost on the context and the perturbation as indicators, and features; needs the package xgboost.

    The defaults are those of XGBoost, as published. Each principal component has trees of its own, and with
    ``n_components=None`` each gene.
    """

    n_components: int | None = 50
    n_trees: int = 100
    learning_rate: float = 0.3
    max_depth: int = 6

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Grow the trees."""
        xgboost = import_extra("xgboost")
        reduced = low_rank(values, self.n_components)
        sizes = n_codes(rows.context), n_codes(rows.perturbation)
        trees = xgboost.XGBRegressor(
            n_estimators=self.n_trees,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            random_state=int(rng.integers(2**31)),
            n_jobs=1,
        )
        trees.fit(rows.indicators(*sizes), reduced.scores)
        return lambda wanted: reduced.restore(trees.predict(wanted.indicators(*sizes)).reshape(len(wanted.context), -1))
