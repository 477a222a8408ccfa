"""What is asked of a split, beside what the tests of the evaluation say."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.benchmark import ModelSpec, splits
from scpi.benchmark._task import make_tasks

SETUP = {
    "perturbation_key": "perturbation",
    "control": "control",
    "delimiter": "+",
    "context_key": "context",
    "dose_key": "dose",
}


@pytest.fixture(scope="module")
def adata():
    rng = np.random.default_rng(0)
    rows = [("control", c, "0") for c in "ab" for _ in range(8)]
    rows += [("P", c, dose) for c in "ab" for dose in ("1", "10") for _ in range(4)]
    rows += [("Q+P", c, dose) for c in "ab" for dose in ("1+10", "2") for _ in range(4)]
    obs = pd.DataFrame(rows, columns=["perturbation", "context", "dose"], index=[f"x{i}" for i in range(len(rows))])
    return ad.AnnData(rng.normal(2, 0.3, (len(rows), 5)).astype("f4"), obs=obs)


@pytest.fixture(scope="module")
def task(adata):
    split = splits.leave_context_out(adata, context_key="context", contexts="a")
    numbers = {"n_cells": 3, "n_components": 2, "exclude_targets": True}
    return make_tasks(adata, split, setup=SETUP, layer=None, metrics=["rmse"], **numbers)[0]


def test_conditions_are_asked_for_with_their_doses(task, adata):
    found = [tuple(task.columns(one).values()) for one in task.asked()]
    assert found == [("a", "P", 1.0), ("a", "P", 10.0), ("a", "P+Q", 2.0), ("a", "P+Q", "10+1")]
    for one in task.asked():
        assert len(one.cells) == 4 and set(adata.obs["context"].iloc[one.cells]) == {"a"}


def test_predictions_start_from_few_enough_controls_of_the_context(task):
    model = task.train(ModelSpec(model=scpi.model.NoChange), seed=0)
    for one in task.asked():
        predicted = task.predict(model, one, seed=0)
        assert predicted.n_obs == 3
        assert set(predicted.obs["source_cell"].astype(int)) <= set(task.split.start)
        made = task.prediction(predicted, one, seed=0)
        np.testing.assert_array_equal(made.real, task.data.X[one.cells])
        np.testing.assert_array_equal(made.reference, task.data.X[task.split.reference])


def test_validation_cells_of_a_split_are_watched(task, adata):
    from dataclasses import replace

    cells = task.split.train
    watched = replace(task, split=replace(task.split, train=cells[2:], validation=cells[:2]))
    model = watched.train(ModelSpec(model=scpi.model.MeanDelta), seed=0)
    np.testing.assert_array_equal(model.validation_indices, cells[:2])
    np.testing.assert_array_equal(model.train_indices, cells[2:])


def test_the_other_conditions_are_those_of_training(task, adata):
    """None of the context that is left out: the changes in the other context, and all cells there."""
    first = task.asked()[0]
    found = task.others(first, seed=0)
    is_b, is_control = (adata.obs["context"] == "b").to_numpy(), (adata.obs["perturbation"] == "control").to_numpy()
    control = adata.X[is_b & is_control].mean(0)
    conditions = adata.obs.loc[is_b & ~is_control].groupby(["perturbation", "dose"], observed=True).indices.values()
    changes = [adata.X[np.flatnonzero(is_b & ~is_control)[places]].mean(0) - control for places in conditions]
    np.testing.assert_allclose(found.change, np.mean(changes, axis=0), atol=1e-6)
    np.testing.assert_array_equal(found.change, found.constant)
    cells = found.cells()
    assert len(cells) == 3 and all((adata.X[is_b & ~is_control] == cell).all(1).any() for cell in cells)


def test_a_condition_is_not_among_the_others_of_its_context(adata):
    numbers = {"n_cells": 100, "n_components": 2, "exclude_targets": True}
    split = splits.random_cells(adata, context_key="context", dose_key="dose", n_splits=1)
    (random,) = make_tasks(adata, split, setup=SETUP, layer=None, metrics=["rmse"], **numbers)
    first = random.asked()[0]
    found = random.others(first, seed=0)
    obs = adata.obs.iloc[random.split.train]
    own = (obs["context"] == "a") & (obs["perturbation"] != "control")
    n_same = int((own & (obs["perturbation"] == "P") & (obs["dose"] == "1")).sum())
    assert n_same > 0 and len(found.cells()) == int(own.sum()) - n_same
    assert not np.allclose(found.change, found.constant)
