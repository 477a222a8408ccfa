"""Runs are tested through :func:`scpi.benchmark.evaluate`; here, what they depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import scpi
from scpi.benchmark import ModelSpec, splits
from scpi.benchmark._run import Run
from scpi.benchmark._task import make_tasks


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    import scanpy as sc

    adata = scpi.datasets.plant_screen(n_perturbations=2, n_cells=10, n_decoy_sets=0, rng=0)
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    setup = {"perturbation_key": "perturbation", "control": "control", "delimiter": "+"}
    setup |= {"context_key": None, "dose_key": None}
    split = splits.random_cells(adata, n_splits=1)
    numbers = {"n_cells": 100, "n_components": 5, "exclude_targets": True}
    (task,) = make_tasks(adata, split, setup=setup, layer=None, metrics=["rmse"], **numbers)
    out = tmp_path_factory.mktemp("out")
    return Run(name="m", spec=ModelSpec(model=scpi.model.MeanDelta), task=task, seed=0, out=out)


CHANGES = {
    "spec": {"spec": ModelSpec(model=scpi.model.NoChange)},
    "seed": {"seed": 1},
    "metrics": {"task": {"metrics": ["mae"]}},
    "n_cells": {"task": {"n_cells": 10}},
    "n_components": {"task": {"n_components": None}},
    "exclude_targets": {"task": {"exclude_targets": False}},
    "control": {"task": {"setup": {"control": ["control", "NT"]}}},
    "test": {"split": "test"},
    "train": {"split": "train"},
    "start": {"split": "start"},
    "reference": {"split": "reference"},
    "validation": {"split": "validation"},
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_run_that_differs_has_another_file(run, what):
    changes = dict(CHANGES[what])
    if "split" in changes:
        cells = changes.pop("split")
        split = replace(run.task.split, **{cells: np.append(getattr(run.task.split, cells), 0)})
        changes["task"] = replace(run.task, split=split)
    elif "task" in changes:
        changes["task"] = replace(run.task, **changes["task"])
    assert replace(run)._scores_file == run._scores_file
    assert replace(run, **changes)._scores_file.name.rpartition("_")[2] != run._scores_file.name.rpartition("_")[2]


def test_the_name_of_the_model_is_in_the_file_and_not_in_its_fingerprint(run):
    other = replace(run, name="other")
    assert other._scores_file.name == run._scores_file.name.replace("m_", "other_", 1)
    assert run.title == "m, draw 1, seed 0"


def test_what_is_kept_comes_back(run):
    assert run.kept() is None
    table = run.do()
    kept = run.kept()
    assert kept.columns.tolist() == table.columns.tolist()
    np.testing.assert_array_equal(kept["rmse"], table["rmse"])
    # Predicted cells that are wanted and were not kept make a run anew
    assert replace(run, predictions=run.out).kept() is None
