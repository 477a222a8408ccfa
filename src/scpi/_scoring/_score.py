"""From predictions to named numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._scoring._metrics import CONTRASTS, METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from scpi._scoring._prediction import Prediction


def score(predictions: Iterable[Prediction], metrics: Sequence[str]) -> list[dict[str, float]]:
    """The value of each metric by name, in the order of ``metrics``, for the prediction of each condition.

    Genes that a perturbation itself sets are left out of the metrics of its condition, and those of all conditions of a
    context where these are compared with each other. A value is NaN where there are too few cells, no gene is left, or the
    prediction lacks what a metric needs. Each prediction is dropped before the next is asked for.
    """
    scores = Scores(metrics)
    for prediction in predictions:
        scores.add(prediction)
    return scores.rows()


class Scores:
    """Scores of conditions, one added at a time: of their cells nothing is kept but the change of the mean."""

    def __init__(self, metrics: Sequence[str]) -> None:
        self._metrics = metrics
        self._contrasts = [name for name in metrics if name in CONTRASTS]
        self._rows: list[dict[str, float]] = []
        self._changes: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        self._targets: list[NDArray[np.intp]] = []
        self._contexts: list[str] = []

    def add(self, prediction: Prediction) -> None:
        """Score a condition."""
        scored = prediction.without_targets()
        # Of data that have no genes to begin with, metrics raise an error
        is_empty = scored is not prediction and not scored.real.shape[1]
        self._rows.append(
            {name: float("nan") if is_empty else _value(scored, name) for name in self._metrics if name in METRICS}
        )
        if self._contrasts:
            self._changes.append(prediction.change)
            self._targets.append(prediction.targets)
            self._contexts.append(prediction.context)

    def rows(self) -> list[dict[str, float]]:
        """The value of each metric by name, for each condition in the order in which they were added."""
        contrasts = {name: self._contrast(name) for name in self._contrasts}
        return [
            {name: row[name] if name in row else float(contrasts[name][place]) for name in self._metrics}
            for place, row in enumerate(self._rows)
        ]

    def _contrast(self, name: str) -> NDArray[np.float64]:
        """Values of a metric that tells the conditions of each context from each other; NaN for a single one."""
        values = np.full(len(self._changes), np.nan)
        contexts = np.array(self._contexts, dtype=object)
        for context in set(self._contexts):
            own = np.flatnonzero(contexts == context)
            # What one condition leaves out alone would tell it from all others
            targets = np.unique(np.concatenate([self._targets[place] for place in own]))
            changes = (np.stack([self._changes[place][side] for place in own]) for side in (0, 1))
            real, predicted = (np.delete(change, targets, axis=1) for change in changes)
            if len(own) > 1 and (real.shape[1] or not len(targets)):
                values[own] = CONTRASTS[name].of(real, predicted)
        return values


def _value(prediction: Prediction, name: str) -> float:
    """Value of a metric of one condition; NaN where it has none."""
    metric = METRICS[name]
    if metric.needs_perturbed_mean and prediction.perturbed_mean is None:
        return float("nan")
    if prediction.n_least < (1 if metric.space == "means" else 2):
        return float("nan")
    return metric.of(prediction)
