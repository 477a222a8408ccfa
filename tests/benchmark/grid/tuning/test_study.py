"""The order in which settings are asked for and their values said."""

from __future__ import annotations

import pandas as pd
import pytest

from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._tuning._study import TuningStudy
from scpi.benchmark.grid._tuning._trial_grid import Target

optuna = pytest.importorskip("optuna")


@pytest.fixture
def study(tiny, tmp_path):
    """A function that opens the study of a grid, as a process that begins does."""
    there = Folder(tmp_path / "out")
    there.make()
    splits = {"cells": {"by": "random_cells", "arguments": {"n_splits": 1}}}
    models = {"nothing": {"model": "NoChange", "tune": {"train.x": {"low": 0.0, "high": 1.0}}}}
    tuning = {"n_trials": 4, "at_once": 2, "objectives": "rmse", "n_startup": 1}
    grid = tiny(splits=splits, models=models, tuning=tuning)
    target = Target(model="nothing", data="planted", scheme="cells", fold=0, split="draw 1", inner_scheme="inner")
    address = f"sqlite:///{tmp_path / 'study.db'}"
    return lambda: TuningStudy(grid, grid.tuning, target, optuna.storages.RDBStorage(address), there), there, address


def states(address):
    (name,) = optuna.get_all_study_names(address)
    return [one.state.name for one in optuna.load_study(study_name=name, storage=address).trials]


def test_values_are_said_in_the_order_of_the_settings(study):
    begin, there, address = study
    one, ended = begin(), {}
    assert one.n_tasks == 4
    (first,), (second,) = (tasks for _, tasks in one.advance(ended))
    assert states(address) == ["RUNNING", "RUNNING"]

    def finish(task, value):
        (there.tasks / task.hash).mkdir()
        pd.DataFrame({"rmse": [value]}).to_parquet(there.tasks / task.hash / "metrics.parquet")
        ended[task.hash] = "finished"

    # The second is ready, but the first is not
    finish(second, 0.2)
    assert [tasks for _, tasks in one.advance(ended)] == [[first]]
    assert states(address) == ["RUNNING", "RUNNING"]
    # Another process goes on where this one was
    one = begin()
    assert [tasks for _, tasks in one.advance(ended)] == [[first]]
    finish(first, 0.1)
    third, fourth = (tasks[0] for _, tasks in one.advance(ended))
    assert states(address) == ["COMPLETE", "COMPLETE", "RUNNING", "RUNNING"] and not one.is_finished
    ended[third.hash] = "failed"
    finish(fourth, float("nan"))
    assert list(one.advance(ended)) == [] and one.is_finished
    assert states(address) == ["COMPLETE", "COMPLETE", "FAIL", "FAIL"]
    result = one.result()
    assert result.counts == {"complete": 2, "pruned": 0, "fail": 2, "running": 0}
    assert [best["values"] for best in result.front] == [{"rmse": 0.1}]
    assert [list(grid.models) for grid in one.tried()] == [["nothing #0"], ["nothing #1"]]
