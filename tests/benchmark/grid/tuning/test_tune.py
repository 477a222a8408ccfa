"""Tuning in this process, which ends where a process would be killed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad
from scipy import sparse

from scpi.benchmark.grid import Ended, Grid, collect, run, status, tune
from scpi.benchmark.grid._attempt import begin
from scpi.benchmark.grid._cells import read_cells
from scpi.benchmark.grid._claim import only_one
from scpi.benchmark.grid._divide import make_splits
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._plan import Plan
from scpi.benchmark.grid._run_task import give_up
from scpi.benchmark.grid._tuning._show_tuning import tuning_lines
from scpi.benchmark.grid._tuning._trial_grid import Target, trial_grid

optuna = pytest.importorskip("optuna")

ONE = {"by": "random_cells", "arguments": {"n_splits": 1}}
TWO = {"by": "random_cells", "arguments": {"n_splits": 2}}
FACTOR = {"train.factor": {"low": 0.0, "high": 2.0}}


@pytest.fixture
def answering(inline):
    """An executor whose results are formulas of the factor, so that nothing is trained."""

    class Answering(inline):
        def submit(self, jobs):
            for job in jobs:
                self.jobs.append(job)
                self.before(job)
                there = Folder(Path(job.out))
                plan = Plan.read(there, job.plan)
                task = plan.find(job.task)
                settings = plan.grid.models[task.model].train
                if settings.get("fails"):
                    attempt = begin(there, task.hash)
                    give_up(there, attempt.name, kind="error", reason="it fails")
                else:
                    error = (settings["factor"] - 0.8) ** 2 + 0.01 * task.fold
                    table = pd.DataFrame({"rmse": [error, np.nan], "mae": [abs(settings["factor"] - 1.6), np.nan]})
                    (there.tasks / task.hash).mkdir()
                    table.to_parquet(there.tasks / task.hash / "metrics.parquet")
                self.ended.append(Ended(job.task, "", {"pid": os.getpid()}))

    return Answering


@pytest.fixture
def scaled(tiny, folder):
    """A function that makes a grid with a model whose factor is tuned."""

    def make(tune=FACTOR, data=None, **tuning):
        settings = {"n_trials": 6, "objectives": "rmse", "n_startup": 2, "at_once": 2, "inner": {"cells": TWO}}
        return tiny(
            splits={"cells": ONE},
            models={"scaled": {"model": "grid_models:Scaled", "tune": tune}},
            ceiling=False,
            tuning=settings | tuning,
            **({} if data is None else {"data": data}),
        )

    return make


def go(grid, out, executor):
    return tune(grid, out, executor=executor, progress=False)


def trials(found):
    """Numbers of all trials of the studies."""
    return {
        name: [
            (one.state.name, one.params, one.values, one.intermediate_values)
            for one in optuna.load_study(study_name=name, storage=found.storage).trials
        ]
        for name in optuna.get_all_study_names(found.storage)
    }


@pytest.mark.smoke("optuna")
def test_the_best_factor_is_found_and_runs(scaled, inline, tmp_path):
    found = go(scaled(n_trials=3), tmp_path / "out", inline())
    (study,) = found.studies
    assert study.counts == {"complete": 3, "pruned": 0, "fail": 0, "running": 0}
    table = collect(tmp_path / "out")
    # Values are means over the inner divisions, which a table of all settings has
    means = table.groupby(["model", "split"], sort=False)["rmse"].mean().groupby("model").mean()
    assert len(table["split"].unique()) == 2 and len(means) == 3
    best = study.front[0]
    assert best["values"]["rmse"] == pytest.approx(means.min(), abs=1e-12)
    assert means.idxmin() == f"scaled #{best['trial']}"
    # Optuna says the same
    stored = optuna.load_study(study_name=study.name, storage=found.storage)
    assert stored.best_trial.number == best["trial"] and stored.metric_names == ["rmse"]
    assert list(stored.best_trial.intermediate_values) == [0, 1]
    assert status(tmp_path / "out").is_finished
    # The grid of the file has the model with and without, and runs
    made = Grid.read(found.file)
    assert made.to_dict() == found.grid.to_dict() and list(made.models) == ["scaled", "scaled (tuned)"]
    assert made.models["scaled (tuned)"].tuned[0].settings == best["settings"]
    assert run(made, tmp_path / "run", executor=inline(), progress=False).is_finished
    configs = [json.loads(path.read_text()) for path in (tmp_path / "run" / "tasks").glob("*/config.json")]
    factors = {one["model"]: one["model_settings"]["train"].get("factor") for one in configs}
    assert factors == {"scaled": None, "scaled (tuned)": best["settings"]["train.factor"]}
    lines = list(tuning_lines(found))
    assert lines[0] == "scaled, planted, cells without draw 1: 3 complete." and "train.factor=" in lines[1]
    assert lines[-1] == f"All settings: optuna-dashboard {found.storage}"
    assert json.loads(json.dumps(found.to_dict()))["studies"][0]["front"][0] == best


def test_cells_that_are_predicted_later_are_not_read(scaled, inline, tmp_path):
    """Neither their expression nor their labels: the same numbers come out where they are other cells altogether."""
    simulated = scaled()
    adata = read_cells(simulated.data["planted"], "word", Folder(tmp_path / "cells"))
    (outer,) = make_splits(simulated.data["planted"], simulated.splits["cells"], adata)
    assert len(outer.test) == 12 and len(outer.reference) == 8
    hidden = np.concatenate([outer.test, outer.reference])
    adata.write_h5ad(tmp_path / "whole.h5ad")
    other = adata.copy()
    x = other.X.toarray()
    x[hidden] = np.random.default_rng(0).poisson(3.0, (len(hidden), other.n_vars))
    other.X = sparse.csr_matrix(x)
    other.write_h5ad(tmp_path / "other.h5ad")
    tables, found = [], []
    for name in ("whole", "other"):
        grid = scaled(data={"planted": {"file": str(tmp_path / f"{name}.h5ad")}}, n_trials=2)
        found.append(go(grid, tmp_path / name, inline()))
        tables.append(collect(tmp_path / name).drop(columns="seconds"))
    assert found[0].studies[0].front == found[1].studies[0].front
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert not np.array_equal(read_h5ad(tmp_path / "whole.h5ad").X.toarray(), x)


def test_a_tuning_that_is_stopped_goes_on_as_if_it_was_not(scaled, answering, tmp_path):
    class Stopped(Exception):
        pass

    whole = go(scaled(), tmp_path / "whole", answering())
    for n in (0, 1, 3):
        jobs = []

        def before(job, jobs=jobs, n=n):
            jobs.append(job)
            if len(jobs) > n:
                raise Stopped

        with pytest.raises(Stopped):
            go(scaled(), tmp_path / "out", answering(before))
    found = go(scaled(), tmp_path / "out", answering())
    assert list(trials(found).values()) == list(trials(whole).values())
    assert found.studies[0].front == whole.studies[0].front
    assert len(list((tmp_path / "out" / "tasks").iterdir())) == 12
    # More may be asked for later, and are those that would have been tried at once
    more = tune(scaled(), tmp_path / "out", executor=answering(), n_trials=8, progress=False)
    at_once = tune(scaled(), tmp_path / "once", executor=answering(), n_trials=8, progress=False)
    assert list(trials(more).values()) == list(trials(at_once).values())


def test_settings_that_fail_and_several_objectives(scaled, answering, tmp_path):
    space = FACTOR | {"train.fails": [True, False]}
    grid = scaled(tune=space, objectives=["rmse", "mae"], n_trials=7, sampler="random")
    found = go(grid, tmp_path / "out", answering())
    (study,) = found.studies
    stored = optuna.load_study(study_name=study.name, storage=found.storage)
    failed = [one for one in stored.trials if one.params["train.fails"]]
    assert study.counts["fail"] == len(failed) > 0 and study.counts["complete"] == 7 - len(failed) > 0
    assert all("failed: see `scpi benchmark status`" in one.user_attrs["reason"] for one in failed)
    best = {tuple(one.values) for one in stored.best_trials}
    assert {tuple(one["values"].values()) for one in study.front} == best


def test_the_estimator_finds_the_best_factor(scaled, answering, tmp_path):
    found = go(scaled(n_trials=30, n_startup=5), tmp_path / "out", answering())
    best = found.studies[0].front[0]
    assert best["settings"]["train.factor"] == pytest.approx(0.8, abs=0.05)
    assert best["values"]["rmse"] == pytest.approx((best["settings"]["train.factor"] - 0.8) ** 2 + 0.005)


def test_pruning_saves_tasks(scaled, answering, tmp_path):
    cells = {"by": "random_cells", "arguments": {"n_splits": 4}}
    grid = scaled(prune=True, n_startup=2, n_trials=8, at_once=1, inner={"cells": cells}, sampler="random")
    executor = answering()
    found = go(grid, tmp_path / "out", executor)
    (study,) = found.studies
    assert study.counts["pruned"] > 0 and study.counts["complete"] + study.counts["pruned"] == 8
    stored = optuna.load_study(study_name=study.name, storage=found.storage)
    steps = [len(one.intermediate_values) for one in stored.trials]
    assert len(executor.jobs) == sum(steps) < 32 and min(steps) >= 2
    kept = [one for one in stored.trials if one.state.name == "COMPLETE"]
    assert study.front[0]["values"]["rmse"] == min(one.value for one in kept)


def test_a_trial_is_of_the_training_cells(scaled):
    grid = scaled()
    target = Target(model="scaled", data="planted", scheme="cells", fold=0, split="draw 1", inner_scheme="inner")
    made = trial_grid(grid, grid.tuning, target, {"train.factor": 0.5}, "scaled #0")
    assert made.models["scaled #0"].train == {"factor": 0.5} and not made.models["scaled #0"].tune
    assert made.splits["inner"].inside.by == "random_cells" and made.splits["inner"].arguments == {"n_splits": 2}
    assert made.metrics == ["rmse"] and made.seeds == [0] and not made.ceiling
    # The null of a model has its settings, and none are looked for
    models = {"scaled": replace(grid.models["scaled"], matched_null=True)}
    made = trial_grid(replace(grid, models=models), grid.tuning, target, {"train.factor": 0.5}, "scaled #0")
    assert list(made.variants()) == ["scaled #0"]


def test_one_process_at_a_time(scaled, inline, tmp_path):
    there = Folder(tmp_path / "out")
    there.make()
    with (
        only_one(there, "tuning", heartbeat=30),
        pytest.raises(RuntimeError, match=r"process \d+ on .* is at the tuning of '.*out'"),
    ):
        go(scaled(), tmp_path / "out", inline())
    assert not list(there.attempts.glob("tuning*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": {"nothing": "NoChange"}, "tuning": None}, "models: none has 'tune'"),
        (
            {
                "models": {"nothing": {"model": "NoChange", "tune": {"train.x": [1]}}},
                "tuning": {"inner": {"pairs": {"by": "leave_combinations_out", "arguments": {"n_splits": 9}}}},
            },
            "tuning.inner.pairs: `n_splits` must be between 1 and .* name another function here",
        ),
    ],
)
def test_mistakes(tiny, inline, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        go(tiny(**changes), tmp_path / "out", inline())
