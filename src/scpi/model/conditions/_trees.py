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

    from numpy.typing import NDArray

    from scpi.model.conditions._rows import Floats, Predictor, Rows


@dataclass(frozen=True)
class Boosted(Method):
    """Boosted trees on the context, the mean of the same perturbation in the other rows, and features.

    Every tree predicts all principal components at once. Each training row is there a second time, as if its perturbation,
    its context or both were not known: what is predicted for those that were not measured is learned, too.
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

        def design(means: Floats, known: NDArray[np.bool_], of: Rows) -> Floats:
            return np.hstack([one_hot(of.context, n_codes(rows.context)), means, known[:, None], of.features])

        hidden = rng.integers(1, 4, size=len(values))
        without = np.where((hidden & 1)[:, None] > 0, encoding.default, encoding.of_training)
        masked = design(
            without,
            encoding.known & (hidden & 1 == 0),
            rows._replace(context=np.where(hidden & 2 > 0, -1, rows.context)),
        )
        predict = boost(
            np.vstack([design(encoding.of_training, encoding.known, rows), masked]),
            np.vstack([reduced.scores, reduced.scores]),
            n_trees=self.n_trees,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            max_features=self.max_features,
            rng=rng,
        )
        return lambda wanted: reduced.restore(
            predict(design(encoding.of(wanted.perturbation), wanted.perturbation >= 0, wanted))
        )


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
        seed = int(rng.integers(2**31))
        forest = RandomForestRegressor(self.n_trees, max_features=self.max_features, random_state=seed)
        # One component is a vector to it
        scores = reduced.scores[:, 0] if reduced.scores.shape[1] == 1 else reduced.scores
        forest.fit(rows.indicators(*sizes), scores)
        return lambda wanted: reduced.restore(
            forest.predict(wanted.indicators(*sizes)).reshape(len(wanted.context), -1)
        )


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
