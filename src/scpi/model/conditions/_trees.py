"""Trees on what is known of a condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scpi.model.conditions._encoding import Encoding
from scpi.model.conditions._low_rank import low_rank
from scpi.model.conditions._rows import Method, n_codes, one_hot

if TYPE_CHECKING:
    from collections.abc import Callable

    from scpi.model.conditions._rows import Floats, Predictor, Rows


@dataclass(frozen=True)
class Boosted(Method):
    """Boosted trees on the context, the mean of the same perturbation in the other rows, and features.

    Every tree predicts all principal components at once.
    """

    n_components: int | None = 50
    n_trees: int = 300
    learning_rate: float = 0.03
    max_depth: int = 6
    max_features: float = 0.3

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Grow the trees."""
        reduced = low_rank(values, self.n_components)
        encoding = Encoding.of_rows(rows, reduced.scores)

        def design(means: Floats, of: Rows) -> Floats:
            return np.hstack([one_hot(of.context, n_codes(rows.context)), means, of.features])

        predict = boost(
            design(encoding.of_training, rows),
            reduced.scores,
            n_trees=self.n_trees,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            max_features=self.max_features,
            rng=rng,
        )
        return lambda wanted: reduced.restore(predict(design(encoding.of(wanted.perturbation), wanted)))


@dataclass(frozen=True)
class Forest(Method):
    """Random forest on the context and the perturbation as indicators, and features."""

    n_components: int | None = 50
    n_trees: int = 200
    max_features: float = 1.0

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Grow the trees."""
        from sklearn.ensemble import RandomForestRegressor

        reduced = low_rank(values, self.n_components)
        sizes = n_codes(rows.context), n_codes(rows.perturbation)

        def design(of: Rows) -> Floats:
            return np.hstack([one_hot(of.context, sizes[0]), one_hot(of.perturbation, sizes[1]), of.features])

        seed = int(rng.integers(2**31))
        forest = RandomForestRegressor(self.n_trees, max_features=self.max_features, random_state=seed)
        forest.fit(design(rows), reduced.scores)
        # With one component, it gives a vector
        return lambda wanted: reduced.restore(forest.predict(design(wanted)).reshape(len(wanted.context), -1))


def boost(
    x: Floats,
    y: Floats,
    *,
    n_trees: int,
    learning_rate: float,
    max_depth: int,
    max_features: float,
    rng: np.random.Generator,
) -> Callable[[Floats], Floats]:
    """Gradient boosting of the squared error with trees that predict all targets (rows x targets) at once."""
    from sklearn.tree import DecisionTreeRegressor

    level = y.mean(axis=0)
    residual, trees = y - level, []
    for seed in rng.integers(2**31, size=n_trees):
        tree = DecisionTreeRegressor(max_depth=max_depth, max_features=max_features, random_state=int(seed))
        tree.fit(x, residual)
        residual = residual - learning_rate * tree.predict(x).reshape(y.shape)
        trees.append(tree)

    def predict(wanted: Floats) -> Floats:
        steps = (tree.predict(wanted).reshape(len(wanted), -1) for tree in trees)
        return level + learning_rate * sum(steps, start=np.zeros((len(wanted), y.shape[1])))

    return predict
