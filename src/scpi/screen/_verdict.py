"""Whether the model predicts better than the best baseline, metric by metric, and than predictions of something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from scpi import benchmark
from scpi._keys import Key
from scpi._scoring._metrics import LOWER_IS_BETTER
from scpi._scoring._noise_ceiling import CEILING, PERFECT
from scpi._screen._matrix import means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi._screen._split import Split

Answer = Literal["better", "level", "worse"]

HONEST = {
    "pearson": "correlation of the change",
    "pearson_perturbed": "correlation against the other perturbations",
    "r2_weighted": "weighted R²",
    "discrimination": "discrimination of the perturbations",
    "de_effect_jaccard": "genes called in predicted cells",
    "energy_distance": "energy distance of the cells",
}
"""Metrics that the verdict is on, each of which another kind of poor prediction fails."""


class Comparison(NamedTuple):
    """The model against the best baseline in one metric."""

    metric: str
    model: float
    baseline: str
    """The best baseline, and those that are level with it."""
    best: float
    difference: float
    low: float
    high: float
    """Paired difference of the model and the best baseline, with its 95 % interval."""
    answer: Answer


def compare_with_best(scores: pd.DataFrame, model: str, baselines: Sequence[str], *, rng: int) -> list[Comparison]:
    """Compare a model with the best baseline of each metric, on the same perturbations.

    Baselines with the same scores are one. Metrics without a value are left out.
    """
    rows = []
    own = scores[~scores["model"].isin([CEILING, PERFECT])]
    for metric in HONEST:
        sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
        averages = own.groupby("model", sort=False)[metric].mean().dropna() if metric in own else pd.Series(dtype=float)
        others = averages[averages.index.isin(baselines)]
        if model not in averages or others.empty:
            continue
        best = str((sign * others).idxmax())
        summary = benchmark.summarise(own, baseline=best, metrics=metric, rng=rng)
        at = summary[[model in str(name).split(" = ") for name in summary["model"]]].iloc[0]
        same = next(str(name) for name in summary["model"] if best in str(name).split(" = "))
        low, high = sorted((sign * at["low"], sign * at["high"]))
        answer: Answer = "better" if low > 0 else "worse" if high < 0 else "level"
        difference = float(at["difference"])
        rows.append(
            Comparison(
                metric,
                float(averages[model]),
                same,
                float(others[best]),
                difference,
                float(at["low"]),
                float(at["high"]),
                answer,
            )
        )
    return rows


def correlation_of_others(
    predicted: AnnData, measured: AnnData, split: Split, *, perturbation_key: str, tested: Sequence[str]
) -> float:
    """Mean correlation of the measured change under a perturbation with the one that is predicted for another.

    It is what a prediction gets that knows that something happens, but not what. NaN with one perturbation.
    """
    labels = predicted.obs[Key.obs.PERTURBATION].astype(str).to_numpy()
    truth = measured.obs[perturbation_key].astype(str).to_numpy()
    source = measured.obs_names.get_indexer(predicted.obs[Key.obs.SOURCE_CELL].astype(str))
    reference = means(measured.X[split.reference])
    test = np.zeros(measured.n_obs, dtype=bool)
    test[split.test] = True
    found, real = [], []
    for label in tested:
        own = np.flatnonzero(labels == label)
        found.append(means(predicted.X[own]) - means(measured.X[source[own]]))
        real.append(means(measured.X[np.flatnonzero(test & (truth == label))]) - reference)
    if len(found) < 2:
        return float("nan")
    correlation = _correlations(np.stack(real), np.stack(found))
    return float(np.nanmean(correlation[~np.eye(len(found), dtype=bool)]))


def _correlations(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of every row of a with every row of b."""
    a, b = (x - x.mean(1, keepdims=True) for x in (a, b))
    norm = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    return np.divide(a @ b.T, norm, out=np.full((len(a), len(b)), np.nan), where=norm > 0)
