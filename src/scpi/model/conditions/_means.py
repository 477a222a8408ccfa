"""Means of the measured conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scpi.model.conditions._rows import Method, group_means, group_sums, means_of_others

if TYPE_CHECKING:
    from scpi.model.conditions._rows import Codes, Floats, Predictor, Rows


@dataclass(frozen=True)
class Zeros(Method):
    """No change of any gene."""

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Learn the number of genes."""
        return lambda wanted: np.zeros((len(wanted.context), values.shape[1]))


@dataclass(frozen=True)
class Mean(Method):
    """The mean of all conditions."""

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Take the mean."""
        return lambda wanted: np.tile(values.mean(axis=0), (len(wanted.context), 1))


@dataclass(frozen=True)
class ContextMean(Method):
    """The mean of the conditions of the context; that of all for a context that was not measured."""

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Take the means."""
        return lambda wanted: group_means(rows.context, values, wanted.context, values.mean(axis=0))


@dataclass(frozen=True)
class PerturbationMean(Method):
    """A fraction of the mean of the conditions of the perturbation; that of all for one that was not measured."""

    fraction: float = 1.0

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Take the means."""
        return lambda wanted: (
            self.fraction * group_means(rows.perturbation, values, wanted.perturbation, values.mean(axis=0))
        )


@dataclass(frozen=True)
class ShrunkenMean(Method):
    """The mean of all conditions and the deviations of perturbation and context from it, each times a factor.

    The factors are those of the least squares on rows whose own values have no part in their means. The rows are
    weighted by the inverse of their mean square, for strong conditions outweigh all others in a plain mean.
    """

    weighted: bool = True

    def fit(self, rows: Rows, values: Floats, rng: np.random.Generator) -> Predictor:
        """Take the means, and find the factors."""
        size = (values**2).mean(axis=1)
        weights = 1.0 / np.maximum(size, size.mean() * 1e-3) if self.weighted and size.any() else np.ones(len(size))
        weights /= weights.sum()
        terms = _left_out(rows, values, weights)
        gram, target = _normal_equations(terms, values, weights)
        factors = np.linalg.lstsq(gram, target, rcond=1e-10)[0]
        overall = weights @ values
        deviations = [_deviations(codes, values, weights, overall) for codes in (rows.perturbation, rows.context)]

        def predict(wanted: Rows) -> Floats:
            found = np.tile(factors[0] * overall, (len(wanted.context), 1))
            for factor, deviation, codes in zip(
                factors[1:], deviations, (wanted.perturbation, wanted.context), strict=True
            ):
                found[codes >= 0] += factor * deviation[codes[codes >= 0]]
            return found

        return predict


def _left_out(rows: Rows, values: Floats, weights: Floats) -> list[Floats]:
    """Mean of all, and deviations of perturbation and context, of the other rows."""
    overall, _ = means_of_others(np.zeros(len(values), dtype=np.int64), values, weights, np.zeros(values.shape[1]))
    own = (means_of_others(codes, values, weights, overall)[0] for codes in (rows.perturbation, rows.context))
    return [overall, *(means - overall for means in own)]


def _normal_equations(terms: list[Floats], values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    gram = np.array([[weights @ (a * b).mean(axis=1) for b in terms] for a in terms])
    return gram, np.array([weights @ (a * values).mean(axis=1) for a in terms])


def _deviations(codes: Codes, values: Floats, weights: Floats, overall: Floats) -> Floats:
    sums, size = group_sums(codes, values, weights)
    return sums / size[:, None] - overall
