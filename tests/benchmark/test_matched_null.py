from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.benchmark import ModelSpec, evaluate, splits
from scpi.benchmark._matched_null import exchanged, without_information
from scpi.benchmark._task import make_tasks

SETUP = {
    "perturbation_key": "perturbation",
    "control": "control",
    "delimiter": "+",
    "context_key": "context",
    "dose_key": "dose",
}


def task_of(rows, context=None):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(rows, columns=["perturbation", "context", "dose"], index=[f"x{i}" for i in range(len(rows))])
    adata = ad.AnnData(rng.normal(2, 0.3, (len(rows), 5)).astype("f4"), obs=obs.astype("category"))
    split = splits.leave_context_out(adata, context_key="context", contexts=context or "test")
    numbers = {"n_cells": 3, "n_components": 2, "exclude_targets": True}
    return make_tasks(adata, split, setup=SETUP, layer=None, metrics=["rmse"], **numbers)[0]


def rows_of(context, *conditions):
    return [("control", context, "0")] * 6 + [(label, context, dose) for label, dose, n in conditions for _ in range(n)]


def test_two_conditions_change_places_and_three_go_round():
    rng = np.random.default_rng(0)
    assert exchanged([("a",), ("b",)], rng).tolist() == [1, 0]
    assert exchanged([("a",)], rng).tolist() == [0]
    found = {tuple(exchanged([("a",), ("b",), ("c",)], np.random.default_rng(seed))) for seed in range(20)}
    assert found == {(1, 2, 0), (2, 0, 1)}


@pytest.mark.parametrize("seed", range(5))
def test_nothing_stays_and_members_are_not_shared(seed):
    singles = [(name,) for name in "abcdef"]
    doses = [one for one in singles for _ in range(3)]
    place = exchanged(doses, np.random.default_rng(seed))
    assert sorted(place) == list(range(18))
    assert all(doses[i] != doses[j] for i, j in enumerate(place))
    # Of three conditions two have a member in common: one of them gets the label of the other, and none its own
    pair = exchanged([("a",), ("a", "b"), ("c",)], np.random.default_rng(seed))
    assert all(i != j for i, j in enumerate(pair))


def test_it_is_a_matter_of_the_seed():
    names = [(str(i),) for i in range(12)]
    first, again, other = (exchanged(names, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_labels_and_doses_of_training_cells_are_exchanged_and_no_others():
    conditions = [("P", "1", 3), ("Q", "1", 4), ("Q", "10", 5), ("R", "2", 2)]
    task = task_of(
        rows_of("train", *conditions) + rows_of("other", ("P", "1", 3), ("R", "5", 4)) + rows_of("test", *conditions)
    )
    null = without_information(task, seed=0)
    before, after = task.data.obs, null.data.obs
    changed = (before[["perturbation", "dose"]].astype(str) != after[["perturbation", "dose"]].astype(str)).any(axis=1)
    treated = (before["perturbation"] != "control").to_numpy()
    train = np.isin(np.arange(len(before)), task.split.train)
    np.testing.assert_array_equal(changed, treated & train)
    # Cells of a condition stay together, under a label of their context
    of = pd.DataFrame({"old": before["perturbation"].astype(str) + before["dose"].astype(str)})
    of["new"] = after["perturbation"].astype(str) + after["dose"].astype(str)
    of["context"] = before["context"]
    trained = of[treated & train]
    for _, own in trained.groupby("context", observed=True):
        assert (own.groupby("old")["new"].nunique() == 1).all() and set(own["new"]) == set(own["old"])
    assert not (trained["old"].str[0] == trained["new"].str[0]).any()
    other = trained[trained["context"] == "other"]
    assert dict(zip(other["old"], other["new"], strict=True)) == {"P1": "R5", "R5": "P1"}
    # What predictions are compared with is as it was, and no matrix is copied
    assert null.labels is task.labels and null.split is task.split and null.x is task.x
    assert null.data.X is task.data.X
    assert after["perturbation"].dtype == before["perturbation"].dtype


def test_validation_cells_go_with_the_others():
    task = task_of(rows_of("train", ("P", "1", 4), ("Q", "1", 4)) + rows_of("test", ("P", "1", 3)))
    of_p = task.split.train[task.data.obs["perturbation"].iloc[task.split.train] == "P"]
    split = replace(task.split, train=np.setdiff1d(task.split.train, of_p[:2]), validation=of_p[:2])
    null = without_information(replace(task, split=split), seed=0)
    assert set(null.data.obs["perturbation"].iloc[of_p]) == {"Q"}


def test_without_two_conditions_there_is_no_null():
    task = task_of(rows_of("train", ("P", "1", 3)) + rows_of("test", ("P", "1", 3)))
    with pytest.raises(ValueError, match="no context has two perturbed conditions"):
        without_information(task, seed=0)


def test_a_model_of_labels_is_above_its_null_and_a_mean_is_its_own():
    adata = scpi.datasets.plant_screen(
        n_perturbations=4, n_cells=30, n_control=200, n_decoy_sets=0, effect_size=3.0, rng=0
    )
    adata.X = adata.X.astype("f4").multiply(1e4 / adata.X.sum(1)).log1p().tocsr()
    specs = {
        f"{'null of ' if is_null else ''}{name}": ModelSpec(model=getattr(scpi.model, name), is_null=is_null)
        for name in ("Additive", "TrainMean")
        for is_null in (False, True)
    }
    split = splits.leave_combinations_out(adata, n_splits=2)
    options = {"metrics": ["pearson_perturbed", "discrimination"], "seeds": [0, 1], "ceiling": False, "progress": False}
    with pytest.warns(UserWarning, match="count as one: TrainMean = null of TrainMean"):
        found = evaluate(adata, specs, split, **options)
    means = found.groupby("model")[["pearson_perturbed", "discrimination"]].mean()
    assert means.loc["Additive", "pearson_perturbed"] > 0.25 and means.loc["Additive", "discrimination"] > 0.9
    assert abs(means.loc["null of Additive", "pearson_perturbed"]) < 0.1
    assert means.loc["null of Additive", "discrimination"] < 0.7
    np.testing.assert_allclose(means.loc["null of TrainMean"], means.loc["TrainMean"])
