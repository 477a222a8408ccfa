"""The table of the metrics of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from scpi import metrics
from scpi._scoring._presets import PRESETS
from scpi._sequence import as_list
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from scpi._scoring._prediction import Prediction
    from scpi._scoring._rows import Rows

_TOP_CHANGED = 20
_TOP_CALLED = 100
# Of variances: cells that are all the same are ten doublings off
_LEAST_RATIO = 2.0**-10


class Metric(NamedTuple):
    """A metric of the prediction of one condition."""

    of: Callable[[Prediction], float]
    """Its value."""
    higher_is_better: bool
    space: Literal["means", "cells", "components", "tests"]
    """What it compares: means of all cells, cells in genes or in principal components, or tests of genes."""
    needs_perturbed_mean: bool = False
    """Whether it takes changes against the mean of the perturbed training conditions."""
    is_correlation: bool = False
    """Whether the formula of Spearman and Brown says what a perfect prediction would reach."""


class Contrast(NamedTuple):
    """A metric that tells the conditions of a context from each other."""

    of: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    """Its values, of measured and predicted changes, conditions x genes."""
    higher_is_better: bool


def _pearson_top(prediction: Prediction) -> float:
    score = metrics.score_change(*prediction.change, metrics=["pearson_top"], k=_TOP_CHANGED)
    return float(score["pearson_top"])


def _error_ratio(prediction: Prediction) -> float:
    real, predicted = prediction.change
    size = np.linalg.norm(real)
    return float(np.linalg.norm(predicted - real) / size) if size > 0 else float("nan")


def _normalised(prediction: Prediction) -> float:
    real, predicted, reference = prediction.cells
    error = metrics.mse_unbiased(real, predicted)
    return float(np.divide(error, metrics.mse_unbiased(real, reference, correct_predicted=True)))


def _weighted(prediction: Prediction) -> float:
    real, _, reference = prediction.cells
    return float(metrics.weighted_r2(*prediction.change, metrics.change_weights(real, reference)))


def _weighted_perturbed(prediction: Prediction) -> float:
    real, _, reference = prediction.cells
    others = reference if prediction.others is None else prediction.others()
    return float(metrics.weighted_r2(*prediction.deviation, metrics.change_weights(real, others)))


def _variance_error(prediction: Prediction) -> float:
    """Doublings by which the variance of a typical gene is wrong, up or down."""
    ratio = metrics.variance_ratio(*prediction.cells[:2])
    return float(np.abs(np.log2(max(ratio, _LEAST_RATIO))))


def _fidelity(prediction: Prediction) -> float:
    real, predicted = prediction.calls
    return float(
        metrics.direction_fidelity(
            real.lfc, predicted.lfc, real.significant, predicted_significant=predicted.significant
        )
    )


def _effects(prediction: Prediction) -> float:
    real, predicted = prediction.calls
    return float(
        metrics.effect_jaccard(real.lfc, predicted.lfc, real.significant, predicted_significant=predicted.significant)
    )


def _overlap(prediction: Prediction) -> float:
    real, predicted = prediction.calls
    return float(metrics.significant_overlap(real.significant, predicted.significant, predicted.lfc))


def _reach(prediction: Prediction) -> float:
    real, predicted = prediction.calls
    sure = np.abs(predicted.score)
    return float(metrics.direction_reach(real.lfc, predicted.lfc, real.significant, score=sure))


METRICS: Mapping[str, Metric] = {
    "pearson": Metric(lambda p: float(metrics.pearson_delta(*p.change)), True, "means", is_correlation=True),
    # Not a correlation of given genes: the genes are those that noise has made large, too
    "pearson_top": Metric(_pearson_top, True, "means"),
    "pearson_perturbed": Metric(
        lambda p: float(metrics.pearson_delta(*p.deviation)),
        True,
        "means",
        needs_perturbed_mean=True,
        is_correlation=True,
    ),
    "cosine": Metric(lambda p: float(metrics.cosine(*p.change)), True, "means", is_correlation=True),
    "rmse": Metric(lambda p: float(metrics.rmse(*p.change)), False, "means"),
    "mae": Metric(lambda p: float(metrics.mae(*p.change)), False, "means"),
    "error_ratio": Metric(_error_ratio, False, "means"),
    "mse_normalised": Metric(_normalised, False, "cells"),
    "r2": Metric(lambda p: float(metrics.r2(*p.change)), True, "means"),
    "r2_weighted": Metric(_weighted, True, "cells"),
    "r2_weighted_perturbed": Metric(_weighted_perturbed, True, "cells", needs_perturbed_mean=True),
    "sign_accuracy": Metric(lambda p: float(metrics.sign_accuracy(*p.change)), True, "means"),
    "de_jaccard": Metric(
        lambda p: float(metrics.significant_jaccard(*(c.significant for c in p.calls))), True, "tests"
    ),
    "de_effect_jaccard": Metric(_effects, True, "tests"),
    "de_fidelity": Metric(_fidelity, True, "tests"),
    "de_overlap": Metric(_overlap, True, "tests"),
    "de_reach": Metric(_reach, True, "tests"),
    "de_lfc_spearman": Metric(
        lambda p: float(metrics.lfc_spearman(p.calls[0].lfc, p.calls[1].lfc, p.calls[0].significant)), True, "tests"
    ),
    "de_roc_auc": Metric(lambda p: float(metrics.roc_auc(p.calls[1].score, p.calls[0].significant)), True, "tests"),
    "de_lfc_error": Metric(
        lambda p: float(metrics.lfc_nmae(p.calls[0].lfc, p.calls[1].lfc, p.calls[0].significant)), False, "tests"
    ),
    "de_pr_auc": Metric(
        lambda p: float(metrics.pr_auc(p.calls[0].lfc, p.calls[1].score, p.calls[0].significant)), True, "tests"
    ),
    "de_top": Metric(
        lambda p: float(metrics.top_k_overlap(*(c.score for c in p.calls), k=_TOP_CALLED, absolute=False)),
        True,
        "tests",
    ),
    "energy_distance": Metric(lambda p: metrics.energy_distance(*p.projected[:2]), False, "components"),
    "mmd": Metric(lambda p: metrics.mmd(*p.projected[:2], base_bandwidth=p.bandwidth), False, "components"),
    "sliced_wasserstein": Metric(lambda p: metrics.sliced_wasserstein(*p.projected[:2]), False, "components"),
    "variance_error": Metric(_variance_error, False, "cells"),
    "correlation_error": Metric(lambda p: metrics.correlation_error(*p.projected[:2]), False, "components"),
}
"""Metrics of one condition by name."""

CONTRASTS: Mapping[str, Contrast] = {
    "discrimination": Contrast(lambda x, y: np.asarray(metrics.perturbation_discrimination(x, y)), True),
    # Of the challenge of 2025: it rises when predictions are scaled
    "discrimination_l1": Contrast(
        lambda x, y: np.asarray(metrics.perturbation_discrimination(x, y, metric="l1")), True
    ),
    "centroid_accuracy": Contrast(lambda x, y: np.asarray(metrics.centroid_accuracy(x, y)), True),
}
"""Metrics of all conditions of a context by name."""

NAMES = (*METRICS, *CONTRASTS)
"""Names of all metrics."""

LOWER_IS_BETTER = frozenset(
    name for table in (METRICS, CONTRASTS) for name, metric in table.items() if not metric.higher_is_better
)
"""Errors and distances."""


def perfect_value(name: str) -> float:
    """Value of a metric for a prediction without an error: errors and distances are 0, all others 1."""
    return 0.0 if name in LOWER_IS_BETTER else 1.0


OF_MEANS = (*(name for name, one in METRICS.items() if one.space == "means"), *CONTRASTS)
"""Names of the metrics that need means only, and no cells."""


def check_metrics(given: Sequence[str] | str | None, rows: Rows = "cells") -> list[str]:
    """Names of the metrics to compute, all if ``None``; a `ValueError` if one is unknown, or there is none.

    The name of a preset stands for its metrics. Where ``rows`` are conditions, all are those that need means only, and others are refused.
    """
    of_rows = NAMES if rows == "cells" else OF_MEANS
    asked = of_rows if given is None else [name for one in as_list(given) for name in PRESETS.get(one, (one,))]
    chosen = list(dict.fromkeys(asked))
    unknown = [name for name in chosen if name not in NAMES]
    if unknown or not chosen:
        what = f"Unknown metrics {listed(unknown)}" if unknown else "`metrics` is empty"
        msg = f"{what}: choose from {listed(of_rows, len(of_rows))}, or the presets {listed(list(PRESETS))}."
        raise ValueError(msg)
    of_cells = [name for name in chosen if name not in of_rows]
    if of_cells:
        msg = (
            f"The metrics {listed(of_cells)} compare cells, and the rows are conditions: choose from "
            f"{listed(of_rows, len(of_rows))}."
        )
        raise ValueError(msg)
    return chosen


def list_metrics() -> pd.DataFrame:
    """List the metrics of predictions, which all functions that score predictions know by the same names.

    Returns
    -------
    Table with one row per metric: ``metric``, ``higher_is_better``, ``compares`` (``"means"`` of all cells, ``"cells"``
    in genes, ``"components"`` for cells in principal components, ``"tests"`` for differential expression,
    ``"conditions"`` for changes of all conditions of a context) and ``perfect`` (whether there is a formula for what a
    perfect prediction would reach, see :func:`scpi.benchmark.noise_ceiling`).

    Examples
    --------
    >>> from scpi.benchmark import list_metrics
    >>> list_metrics().set_index("metric").loc["pearson", "compares"]
    'means'
    """
    rows: list[tuple[str, bool, str, bool]]
    rows = [(name, one.higher_is_better, one.space, one.is_correlation) for name, one in METRICS.items()]
    rows += [(name, one.higher_is_better, "conditions", False) for name, one in CONTRASTS.items()]
    return pd.DataFrame(rows, columns=["metric", "higher_is_better", "compares", "perfect"])
