"""Ridge regressions on what is known of a condition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scpi.model.conditions._encoding import Encoding
from scpi.model.conditions._low_rank import low_rank
from scpi.model.conditions._rows import Method, n_codes, one_hot

if TYPE_CHECKING:
    from scpi.model.conditions._rows import Floats, Predictor, Rows

_PENALTIES = np.logspace(-2, 5, 15)


@dataclass(frozen=True)
class SVDRidge(Method):
    """Ridge regression of principal components on the context, the perturbation and its features.

    The penalty is the one with the least error when each row is left out, unless it is given.
    """

    n_components: int | None = 50
    penalty: float | None = None

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Regress the rows."""
        sizes = n_codes(rows.context), n_codes(rows.perturbation)
        reduced = low_rank(values, self.n_components)
        predict = fit_ridge(rows.indicators(*sizes), reduced.scores, self.penalty)
        return lambda wanted: reduced.restore(predict(wanted.indicators(*sizes)))


@dataclass(frozen=True)
class Ridge(Method):
    """Ridge regression on the mean of the same perturbation in the other rows, with slopes of each context, and features.

    Both sides are principal components. It recommends as recommender systems do: what a perturbation does in one
    context is read from what it did in the others.
    """

    n_components: int = 50
    n_inputs: int = 7
    penalty: float | None = None

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Regress the rows."""
        reduced = low_rank(values, self.n_components)
        encoding = Encoding.of_rows(rows, reduced.scores[:, : self.n_inputs])

        def design(means: Floats, of: Rows) -> Floats:
            context = one_hot(of.context, n_codes(rows.context))
            slopes = (context[:, :, None] * means[:, None, :]).reshape(len(means), -1)
            return np.hstack([means, slopes, context, of.features])

        predict = fit_ridge(design(encoding.of_training, rows), reduced.scores, self.penalty)
        return lambda wanted: reduced.restore(predict(design(encoding.of(wanted.perturbation), wanted)))


class RidgeFit(NamedTuple):
    """A ridge regression with an intercept."""

    centre: Floats
    level: Floats
    coefficients: Floats
    left_out: Floats
    """Error of each row when it is left out, rows x targets."""

    def __call__(self, x: Floats) -> Floats:
        """Predicted targets, rows x targets."""
        return self.level + (x - self.centre) @ self.coefficients


def fit_ridge(x: Floats, y: Floats, penalty: float | None) -> RidgeFit:
    """Ridge regression with an intercept; the penalty of the least leave-one-out error if ``None``.

    The singular value decomposition serves all penalties: with :math:`h_i` the leverage of row `i`, its error when left
    out is :math:`r_i / (1 - h_i)`.
    """
    centre, level = x.mean(axis=0), y.mean(axis=0)
    left, size, right = np.linalg.svd(x - centre, full_matrices=False)
    projected = left.T @ (y - level)

    def left_out(candidate: float) -> Floats:
        shrunken = size**2 / (size**2 + candidate)
        leverage = 1.0 / len(x) + (left**2) @ shrunken
        residual = y - level - left @ (shrunken[:, None] * projected)
        return np.asarray(residual / np.maximum(1.0 - leverage, 1e-10)[:, None])

    candidates = _PENALTIES if penalty is None else np.array([penalty])
    chosen = min(candidates, key=lambda candidate: float((left_out(candidate) ** 2).sum()))
    coefficients = right.T @ ((size / (size**2 + chosen))[:, None] * projected)
    return RidgeFit(centre, level, coefficients, left_out(chosen))
