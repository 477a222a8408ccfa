"""Ways to game a score, what they make, and what each metric says of them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi.benchmark import gaming_suite, splits
from scpi.benchmark._guards._gains import gains
from scpi.benchmark._guards._play import BASELINES, game_rows, habits_of
from scpi.benchmark._guards._ways import WAYS, Material, play
from scpi.benchmark._task import make_tasks

SETUP = {
    "perturbation_key": "perturbation",
    "control": "control",
    "delimiter": "+",
    "context_key": None,
    "dose_key": None,
}


@pytest.fixture
def given():
    rng = np.random.default_rng(0)
    start = rng.gamma(2.0, 1.0, (40, 6))
    change = np.array([1.0, -0.2, 0.5, 0.0, 0.0, 0.3])
    return Material(
        start=start,
        shifted=np.maximum(start + change, 0),
        frequency=np.array([0.1, 0.9, 0.0, 0.8, 0.0, 0.0]),
        direction=np.array([1.0, -1.0, 1.0, 1.0, 1.0, 1.0]),
        n_called=2,
        rng=np.random.default_rng(1),
    )


def test_ways_make_what_they_say(given):
    start, shifted = given.start, given.shifted
    made = {way: play(way, given) for way in WAYS}
    assert all(cells.shape == start.shape and cells.min() >= 0 for cells in made.values())
    centre = shifted.mean(0)
    np.testing.assert_allclose(made["inflated variance"], np.maximum(2 * shifted - centre, 0))
    np.testing.assert_allclose(made["logarithm taken twice"], np.log1p(shifted))
    np.testing.assert_allclose(made["scaled change"], np.maximum(3 * shifted - 2 * start, 0))
    np.testing.assert_array_equal(made["pasted controls"][::2], start[::2])
    np.testing.assert_array_equal(made["pasted controls"][1::2], shifted[1::2])
    np.testing.assert_allclose(made["as many genes as expected"] - start, np.tile([2, 0, 2, 0, 0, 0], (40, 1)))
    frequent = start.copy()
    frequent[:, 1], frequent[:, 3] = np.maximum(start[:, 1] - 2, 0), start[:, 3] + 2
    np.testing.assert_allclose(made["most frequent genes"], frequent)
    np.testing.assert_allclose(made["one profile for all cells"], np.tile(centre, (40, 1)))
    assert len(np.unique(made["one cell repeated"], axis=0)) == 1
    assert (made["one cell repeated"][0] == shifted).all(1).any()
    assert 0.7 < (made["most values removed"] == 0).mean() < 0.9


@pytest.fixture(scope="module")
def screen():
    """Twelve perturbations that share half of their change, two of which are left out at a time."""
    rng = np.random.default_rng(0)
    names = [f"P{i}" for i in range(12)]
    shared = rng.normal(0, 0.5, 60) * (np.arange(60) < 30)
    changes = {"control": np.zeros(60)} | {
        name: shared + rng.normal(0, 0.4, 60) * (np.arange(60) < 40) for name in names
    }
    labels = np.repeat(["control", *names], [120] + [40] * 12)
    rate = rng.gamma(2.0, 3.0, 60) * np.exp([changes[label] for label in labels])
    counts = rng.poisson(rate * rng.gamma(8.0, 0.125, (len(labels), 1)))
    logs = np.log1p(counts / counts.sum(1, keepdims=True) * 1e4).astype("f4")
    obs = pd.DataFrame({"perturbation": labels}, index=[f"x{i}" for i in range(len(labels))])
    return ad.AnnData(sparse.csr_matrix(logs), obs=obs)


@pytest.fixture(scope="module")
def parts(screen):
    return splits.leave_perturbations_out(screen, n_splits=3)


@pytest.fixture(scope="module")
def honest(screen, parts):
    return gaming_suite(screen, parts, metrics=["honest", "de_jaccard"], n_cells=60, n_bootstrap=500)


def test_no_way_scores_above_its_baseline(honest):
    preset = honest[honest["metric"] != "de_jaccard"]
    assert not preset["is_above"].any()
    whole = preset[preset["metric"] == "all"].set_index("way")
    assert whole.index.tolist() == list(WAYS)
    assert (whole["n"] == 12).all() and (whole["high"] < 0.05).all()
    # What is far from any cell is far below
    assert (whole.loc[["logarithm taken twice", "most values removed", "one cell repeated"], "mean"] < -0.3).all()


def test_scaling_raises_the_index_of_sets_and_not_that_of_effects(honest):
    rows = honest[honest["way"] == "scaled change"].set_index("metric")
    assert rows.loc["de_effect_jaccard", "high"] < 0
    assert rows.loc["de_jaccard", "gain"] > rows.loc["de_effect_jaccard", "gain"] + 0.1


def test_gains_are_paired_with_the_better_baseline():
    table = pd.DataFrame(
        [
            {"model": model, "split": "s", "perturbation": name, "pearson": score, "rmse": error}
            for model, scores, errors in (
                ("nothing", [np.nan] * 4, [1.0, 1.0, 1.0, 1.0]),
                ("mean", [0.2, 0.4, 0.4, 0.2], [1.5, 1.5, 1.5, 1.5]),
                ("top", [0.8] * 4, [0.5] * 4),
                ("way", [0.5, 0.7, 0.7, 0.5], [1.2] * 4),
            )
            for name, score, error in zip("abcd", scores, errors, strict=True)
        ]
    )
    options = {"baselines": ("nothing", "mean"), "tops": ("top",), "pair_by": ["split", "perturbation"]}
    found = gains(table, ["pearson", "rmse"], ["way"], **options, n_bootstrap=200, rng=np.random.default_rng(0))
    found = found.set_index("metric")
    assert found["baseline"].to_dict() == {"all": "", "pearson": "mean", "rmse": "nothing"}
    assert found["gain"].to_dict() == pytest.approx({"all": (0.6 - 0.4) / 2, "pearson": 0.3, "rmse": -0.2})
    assert found["scaled"].to_dict() == pytest.approx({"all": 0.1, "pearson": 0.6, "rmse": -0.4})
    # Of no change, a correlation is not defined: it is 0, and better than one below
    table.loc[table["model"] == "mean", "pearson"] *= -1
    (again, *_) = (
        row
        for row in gains(
            table, ["pearson"], ["way"], **options, n_bootstrap=9, rng=np.random.default_rng(0)
        ).itertuples()
        if row.metric == "pearson"
    )
    assert (again.baseline, again.baseline_mean, again.gain) == ("nothing", 0.0, pytest.approx(0.6))
    assert found["is_above"].to_dict() == {"all": True, "pearson": True, "rmse": False}


def test_habits_are_those_of_training_conditions(screen, parts):
    numbers = {"n_cells": 40, "n_components": 5, "exclude_targets": True}
    (task,) = make_tasks(screen, parts[0], setup=SETUP, layer=None, metrics=["rmse"], **numbers)
    habits = habits_of(task, 0)
    # The shared change is in the first 30 genes
    assert habits.frequency[:30].mean() > 3 * habits.frequency[40:].mean()
    assert 5 < habits.n_called < 40
    rows = game_rows(task, 0, ["scaled change"])
    assert rows["model"].unique().tolist() == [*BASELINES, "scaled change"]
    assert set(rows["perturbation"]) == set(screen.obs["perturbation"].iloc[parts[0].test])
    mean = rows.groupby("model")["rmse"].mean()
    assert mean["half the mean change"] < mean["no change"]


def test_what_is_refused(screen, parts):
    with pytest.raises(ValueError, match="Unknown ways 'magic': choose from 'inflated variance'"):
        gaming_suite(screen, parts, ways="magic")
    with pytest.raises(ValueError, match="`ways` is empty"):
        gaming_suite(screen, parts, ways=[])
    with pytest.raises(ValueError, match="Unknown metrics 'fame'"):
        gaming_suite(screen, parts, metrics="fame")


def test_presets_have_metrics_that_scpi_knows():
    known = set(scpi.benchmark.list_metrics()["metric"])
    assert {"de_effect_jaccard", "discrimination_l1"} <= known
