"""Scores of predictions that game a score, and of the baselines from which they start."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scpi import de
from scpi._keys import Key
from scpi._scoring._score import Scores
from scpi._screen._matrix import as_dense
from scpi.benchmark._guards._ways import Material, play
from scpi.benchmark._model_spec import ModelSpec
from scpi.model import MeanDelta, NoChange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from scpi._scoring._prediction import Prediction
    from scpi.benchmark._task import Asked, Task

NOTHING, SHIFTED, HALF = "no change", "mean change", "half the mean change"
"""Names of the baselines: unchanged control cells, or with all or half of the mean change of training conditions."""
BASELINES = (NOTHING, SHIFTED, HALF)
_LEVEL = 0.05
# Maximum number of training conditions to test, and minimum number of treated and of control cells
_MAX_TESTED = 50
_FEWEST = 3


class Habits(NamedTuple):
    """Significant genes in training conditions, for :class:`Material`."""

    frequency: NDArray[np.float64]
    direction: NDArray[np.float64]
    n_called: int


def game_rows(task: Task, seed: int, ways: Sequence[str]) -> pd.DataFrame:
    """Scores of the baselines and of ways to game a score, one row per condition, as of models."""
    asked = task.asked()
    models = {name: task.train(ModelSpec(model=cls), seed) for name, cls in ((NOTHING, NoChange), (SHIFTED, MeanDelta))}
    habits = habits_of(task, seed)
    scores = {name: Scores(task.metrics) for name in (*BASELINES, *ways)}
    for one in asked:
        predicted = {
            name: task.prediction(task.predict(model, one, seed=seed), one, seed=seed) for name, model in models.items()
        }
        for name, prediction in [*predicted.items(), *_played(predicted[SHIFTED], habits, ways, seed)]:
            scores[name].add(prediction)
    return pd.concat([_table(task, asked, name, seed, of.rows()) for name, of in scores.items()], ignore_index=True)


def habits_of(task: Task, seed: int) -> Habits:
    """Test training conditions against the training controls of their context."""
    rng = np.random.default_rng(seed)
    labels, train = task.labels, task.split.train
    at = labels.where(train)
    significant, signs = [], []
    strata = np.unique(labels.stratum[at][~labels.is_control[at]])
    for stratum in rng.permutation(strata)[:_MAX_TESTED]:
        cells = train[labels.stratum[at] == stratum]
        context = labels.context[labels.where(cells[:1])[0]]
        controls = train[labels.is_control[at] & (labels.context[at] == context)]
        if min(len(cells), len(controls)) < _FEWEST:
            continue
        controls, cells = (rng.permutation(kind)[: task.n_cells] for kind in (controls, cells))
        x = as_dense(task.x[np.concatenate([controls, cells])])
        tested = de.wilcoxon(x, np.repeat([0, 1], [len(controls), len(cells)]), reference=0)
        significant.append(de.false_discovery_control(tested.pval[1]) < _LEVEL)
        signs.append(np.where(significant[-1], np.sign(tested.score[1]), 0.0))
    if not significant:
        return Habits(np.zeros(task.x.shape[1]), np.ones(task.x.shape[1]), 0)
    return Habits(
        frequency=np.mean(significant, axis=0),
        direction=np.where(np.sum(signs, axis=0) < 0, -1.0, 1.0),
        n_called=int(np.median(np.sum(significant, axis=1))),
    )


def _played(shifted: Prediction, habits: Habits, ways: Sequence[str], seed: int) -> Iterator[tuple[str, Prediction]]:
    """Predictions of a condition by the last baseline, and by each way."""
    cells = {name: as_dense(getattr(shifted, name), np.float64) for name in ("start", "predicted")}
    half = (cells["start"] + cells["predicted"]) / 2.0
    yield HALF, replace(shifted, predicted=half.astype(np.float32))
    for way in ways:
        # The same draws for all conditions, so that noise does not distinguish them
        given = Material(
            start=cells["start"],
            shifted=cells["predicted"],
            rng=np.random.default_rng(seed),
            **habits._asdict(),
        )
        yield way, replace(shifted, predicted=play(way, given).astype(np.float32))


def _table(task: Task, asked: list[Asked], name: str, seed: int, rows: list[dict[str, float]]) -> pd.DataFrame:
    shared: dict[str, Any] = {"model": name, "split": task.split.name, "seed": seed}
    return pd.DataFrame(
        [
            shared | task.columns(one) | {Key.obs.N_CELLS: len(one.cells)} | row
            for one, row in zip(asked, rows, strict=True)
        ]
    )
