from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scpi._scoring._presets import PRESETS
from scpi._screen._split import Split
from scpi.screen._verdict import HONEST, compare_with_best, correlation_of_others


def scores(**models):
    """Scores of models for four perturbations: correlation and energy distance."""
    rows = [
        {"model": name, "perturbation": f"P{i}", "pearson": r, "energy_distance": energy}
        for name, (correlations, energies) in models.items()
        for i, (r, energy) in enumerate(zip(correlations, energies, strict=True))
    ]
    return pd.DataFrame(rows)


def test_each_metric_has_the_baseline_that_is_best_in_it():
    table = scores(
        SENAVAE=([0.8, 0.82, 0.81, 0.79], [1.0, 1.1, 1.0, 1.1]),
        additive=([0.7, 0.71, 0.73, 0.69], [2.0, 2.0, 2.1, 2.0]),
        linear=([0.6, 0.6, 0.6, 0.6], [0.5, 0.4, 0.5, 0.4]),
    )
    first, second = compare_with_best(table, "SENAVAE", ["additive", "linear"], rng=0)
    assert (first.metric, first.baseline, first.answer) == ("pearson", "additive", "better")
    assert first.difference == pytest.approx(0.0975)
    assert first.low < first.difference < first.high
    # Of a distance less is better
    assert (second.metric, second.baseline, second.answer) == ("energy_distance", "linear", "worse")
    assert second.difference == pytest.approx(0.6)
    assert set(HONEST) >= {first.metric, second.metric}


def test_baselines_with_the_same_scores_are_one_and_level_is_level():
    same = ([0.8, 0.7, 0.9, 0.6], [1.0] * 4)
    table = scores(SENAVAE=([0.81, 0.69, 0.91, 0.59], [1.0] * 4), additive=same, linear=same)
    first, second = compare_with_best(table, "SENAVAE", ["additive", "linear"], rng=0)
    assert first.baseline == second.baseline == "additive = linear"
    assert first.answer == second.answer == "level"


def test_nothing_to_compare_with():
    table = scores(SENAVAE=([0.8] * 4, [np.nan] * 4), additive=([np.nan] * 4, [1.0] * 4))
    assert compare_with_best(table, "SENAVAE", ["additive"], rng=0) == []
    assert compare_with_best(table, "SENAVAE", [], rng=0) == []


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_predictions_of_another_perturbation(kind):
    """Two changes that are measured and predicted exactly: what others get is their correlation with each other."""
    rng = np.random.default_rng(0)
    changes = rng.uniform(0.5, 1.0, size=(2, 30))
    start, reference = rng.uniform(1, 2, size=(2, 5, 30))
    real = [reference.mean(0) + change for change in changes]
    measured = AnnData(
        kind(np.vstack([start, reference, np.repeat(real, 2, axis=0)])),
        obs=pd.DataFrame({"gene": ["control"] * 10 + ["A"] * 2 + ["B"] * 2}, index=[f"c{i}" for i in range(14)]),
    )
    predicted = AnnData(
        kind(np.vstack([start + changes[0], start + changes[1]])),
        obs=pd.DataFrame(
            {"perturbation": ["A"] * 5 + ["B"] * 5, "source_cell": [f"c{i}" for i in range(5)] * 2},
            index=[f"p{i}" for i in range(10)],
        ),
    )
    none = np.array([], dtype=np.int64)
    split = Split(train=none, validation=none, test=np.arange(10, 14), start=np.arange(5), reference=np.arange(5, 10))
    arguments = {"perturbation_key": "gene", "split": split}
    found = correlation_of_others(predicted, measured, tested=["A", "B"], **arguments)
    assert found == pytest.approx(np.corrcoef(changes)[0, 1])
    assert np.isnan(correlation_of_others(predicted, measured, tested=["A"], **arguments))


def test_the_honest_metrics_are_those_of_the_preset():
    assert tuple(HONEST) == PRESETS["honest"]
