"""The scores of a prediction, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scpi import de, metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_LEVEL = 0.05
# Mean expression on the linear scale, of a sum of 10,000, that is added before a fold change is taken
_OFFSET = 0.1
_TOP = 100
# Of variances: cells that are all the same are ten doublings off
_LEAST_RATIO = 2.0**-10


@dataclass(frozen=True, eq=False, kw_only=True)
class Prediction:
    """Predicted cells of a condition beside measured ones, cells x genes, log-normalised.

    Attributes
    ----------
    real, predicted
        Measured and predicted perturbed cells.
    start, reference
        Control cells that the prediction started from, and others that the measured change is taken against.
    perturbed_mean
        Mean over the perturbed training conditions, against which changes are free of what all of them share.
    components
        Directions of the principal components of the training cells, genes x components.
    """

    real: NDArray[np.float32]
    predicted: NDArray[np.float32]
    start: NDArray[np.float32]
    reference: NDArray[np.float32]
    perturbed_mean: NDArray[np.float64]
    components: NDArray[np.float64]

    @cached_property
    def change(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measured and predicted change against the control."""
        real, predicted, start, reference = (
            cells.mean(0, dtype=np.float64) for cells in (self.real, self.predicted, self.start, self.reference)
        )
        return real - reference, predicted - start

    @cached_property
    def deviation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measured and predicted mean against that of the perturbed training conditions."""
        real, predicted = (cells.mean(0, dtype=np.float64) for cells in (self.real, self.predicted))
        return real - self.perturbed_mean, predicted - self.perturbed_mean

    @cached_property
    def projected(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Measured, predicted and reference cells in the components."""
        real, predicted, reference = (
            np.asarray(cells @ self.components) for cells in (self.real, self.predicted, self.reference)
        )
        return real, predicted, reference

    @cached_property
    def calls(self) -> tuple[Calls, Calls]:
        """Differential expression of the measured and of the predicted cells, both against the same controls."""
        cells = np.concatenate([self.reference, self.real, self.predicted])
        sizes = [len(self.reference), len(self.real), len(self.predicted)]
        tested = de.wilcoxon(cells, np.repeat([0, 1, 2], sizes), reference=0)
        levels = [
            np.log(np.maximum(np.expm1(part), 0.0).mean(0, dtype=np.float64) + _OFFSET)
            for part in (self.reference, self.real, self.predicted)
        ]
        real, predicted = (
            Calls(
                tested.score[row],
                de.false_discovery_control(tested.pval[row]) < _LEVEL,
                (levels[row] - levels[0]) / np.log(2.0),
            )
            for row in (1, 2)
        )
        return real, predicted


class Calls(NamedTuple):
    """Differential expression of genes: statistic, whether it is significant, and log2 fold change."""

    score: NDArray[np.float64]
    significant: NDArray[np.bool_]
    lfc: NDArray[np.float64]


class Score(NamedTuple):
    """A score of one condition."""

    of: Callable[[Prediction], float]
    higher_is_better: bool


def _error_ratio(prediction: Prediction) -> float:
    real, predicted = prediction.change
    return float(np.linalg.norm(predicted - real) / np.linalg.norm(real))


def _normalised(prediction: Prediction) -> float:
    error = metrics.mse_unbiased(prediction.real, prediction.predicted)
    return error / metrics.mse_unbiased(prediction.real, prediction.reference, correct_predicted=True)


def _fidelity(prediction: Prediction) -> float:
    real, predicted = prediction.calls
    value = metrics.direction_fidelity(
        real.lfc, predicted.lfc, real.significant, predicted_significant=predicted.significant
    )
    return float(value)


def _weighted(prediction: Prediction) -> float:
    weights = metrics.change_weights(prediction.real, prediction.reference)
    return float(metrics.weighted_r2(*prediction.change, weights))


def _variance_error(prediction: Prediction) -> float:
    """Doublings by which the variance of a typical gene is wrong, up or down."""
    ratio = metrics.variance_ratio(prediction.real, prediction.predicted)
    return float(np.abs(np.log2(max(ratio, _LEAST_RATIO))))


def _bandwidth(prediction: Prediction) -> float:
    """Twice the variance of the reference, the same for all models."""
    return 2.0 * float(prediction.projected[2].var(axis=0, ddof=1).sum())


SCORES: Mapping[str, Score] = {
    "pearson": Score(lambda p: float(metrics.pearson_delta(*p.change)), True),
    "pearson_perturbed": Score(lambda p: float(metrics.pearson_delta(*p.deviation)), True),
    "cosine": Score(lambda p: float(metrics.cosine(*p.change)), True),
    "rmse": Score(lambda p: float(metrics.rmse(*p.change)), False),
    "error_ratio": Score(_error_ratio, False),
    "mse_normalised": Score(_normalised, False),
    "r2_weighted": Score(_weighted, True),
    "de_jaccard": Score(lambda p: float(metrics.significant_jaccard(*(c.significant for c in p.calls))), True),
    "de_fidelity": Score(_fidelity, True),
    "de_lfc_error": Score(
        lambda p: float(metrics.lfc_nmae(p.calls[0].lfc, p.calls[1].lfc, p.calls[0].significant)), False
    ),
    "de_pr_auc": Score(lambda p: float(metrics.pr_auc(p.calls[0].lfc, p.calls[1].score, p.calls[0].significant)), True),
    "de_top": Score(lambda p: float(metrics.top_k_overlap(*(c.score for c in p.calls), k=_TOP, absolute=False)), True),
    "energy_distance": Score(lambda p: metrics.energy_distance(*p.projected[:2]), False),
    "mmd": Score(lambda p: metrics.mmd(*p.projected[:2], base_bandwidth=_bandwidth(p)), False),
    "sliced_wasserstein": Score(lambda p: metrics.sliced_wasserstein(*p.projected[:2]), False),
    "variance_error": Score(_variance_error, False),
    "correlation_error": Score(lambda p: metrics.correlation_error(*p.projected[:2]), False),
}
"""Scores of one condition by name."""

ACROSS: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "discrimination": metrics.perturbation_discrimination,
    "centroid_accuracy": metrics.centroid_accuracy,
}
"""Scores that tell the conditions of a context from each other, by name: functions of conditions x genes."""

LOWER_IS_BETTER = frozenset(name for name, score in SCORES.items() if not score.higher_is_better)
"""Errors and distances."""
