from __future__ import annotations

import json
import os
import time

import anndata as ad
import pandas as pd
import pytest
import zarr

import scpi
from scpi._scoring._bounds import NEGATIVE, POSITIVE, UNCHANGED
from scpi._scoring._noise_ceiling import CEILING
from scpi.benchmark.grid import _run_task, collect, run_task, status, table_hash
from scpi.benchmark.grid._attempt import begin
from scpi.benchmark.grid._cells import read_cells
from scpi.benchmark.grid._compute import configuration
from scpi.benchmark.grid._environment import environment
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._plan import make_plan
from scpi.benchmark.grid._run_task import give_up, publish


@pytest.fixture
def planned(tiny, tmp_path):
    """A function that plans a grid in a folder."""

    def make(**changes):
        there = Folder(tmp_path / "out")
        there.make()
        plan = make_plan(tiny(**changes), there)
        plan.write(there)
        return plan, there

    return make


@pytest.mark.smoke("pyarrow")
def test_the_scores_are_those_of_evaluate(planned):
    plan, there = planned(metrics=["honest"], seeds=[0, 3])
    for task in plan.tasks:
        assert run_task(there.root, task.hash, log=False) == "finished"
    table = collect(there.root)
    grid, adata = plan.grid, read_cells(plan.grid.data["planted"], plan.words["planted"], there)
    expected = scpi.benchmark.evaluate(
        adata,
        {"nothing": scpi.model.NoChange, "additive": scpi.model.Additive},
        scpi.benchmark.splits.leave_combinations_out(adata, n_splits=3),
        metrics="honest",
        seeds=[0, 3],
        progress=False,
    )
    assert list(table) == [
        "data",
        "scheme",
        "model",
        "split",
        "seed",
        *list(expected)[3:],
        "leak_risk",
        "leaks",
        "null_of",
    ]
    assert set(table["leak_risk"]) == {"none"} and set(table["leaks"]) == {""}
    assert set(grid.metrics) <= set(table)
    # Beside the rows of `evaluate` stand the bounds of the metrics, with one row per condition of the ceiling
    is_bound = table["model"].isin([POSITIVE, NEGATIVE, UNCHANGED])
    assert (table.loc[is_bound, "model"].value_counts() == (table["model"] == CEILING).sum()).all()
    same = table.loc[~is_bound, list(expected)].reset_index(drop=True)
    pd.testing.assert_frame_equal(same.drop(columns="seconds"), expected.drop(columns="seconds"))
    slower = table.assign(seconds=table["seconds"] + 1)
    assert table_hash(slower) == table_hash(table) != table_hash(table.assign(seed=0))
    scpi.benchmark.summarise(
        table, baseline="additive", pair_by=["data", "scheme", "split", "seed", "context", "perturbation", "dose"]
    )


def test_a_folder_says_what_made_it(planned, monkeypatch):
    monkeypatch.setenv("SCPI_HOST", "here")
    plan, there = planned(keep_predictions=True)
    task = plan.tasks[1]
    assert run_task(there.root, task.hash[:6], log=False) == "finished"
    folder = there.tasks / task.hash
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "environment.json",
        "metrics.parquet",
        "predictions.zarr.zip",
    ]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config == json.loads(json.dumps(configuration(plan, task)))
    assert config["model_settings"]["model"] == "Additive" and config["data_settings"]["seed"] == 0
    where = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    assert where["host"] == "here" and where["attempt"] == 1 and where["versions"]["scpi"] == scpi.__version__
    # A baseline has none that are trained
    assert where["n_parameters"] == 0
    assert where["peak_memory"] is None or where["peak_memory"] > 1e7
    cells = ad.read_zarr(zarr.storage.ZipStore(folder / "predictions.zarr.zip", mode="r"))
    assert set(cells.obs["perturbation"]) == set(pd.read_parquet(folder / "metrics.parquet")["perturbation"])
    assert not list(there.scratch.iterdir())


def test_what_is_finished_or_running_is_left_alone(planned, monkeypatch):
    plan, there = planned()
    first, second = (task.hash for task in plan.tasks[:2])
    begin(there, second)
    assert run_task(there.root, second) == "running"
    run_task(there.root, first, log=False)
    monkeypatch.setattr(_run_task, "_attempted", None)
    assert run_task(there.root, first) == "finished"
    with pytest.raises(KeyError, match="has no task 'nothing'"):
        run_task(there.root, "nothing")


def test_an_error_is_kept_with_its_log(planned, folder, capfd):
    plan, there = planned(models={"broken": "grid_models:Broken"}, ceiling=False)
    task = plan.tasks[0]
    assert run_task(there.root, task.hash) == "failed"
    failed = there.failed / f"{task.hash}.1"
    said = json.loads((failed / "reason.json").read_text(encoding="utf-8"))
    assert (said["kind"], said["reason"]) == ("error", "RuntimeError: it does not work")
    assert "raise RuntimeError" in said["traceback"]
    assert (failed / "log").read_text(encoding="utf-8") == "on the way\n"
    assert sorted(path.name for path in failed.iterdir()) == ["config.json", "log", "reason.json"]
    print("seen")
    assert capfd.readouterr().out == "seen\n"
    found = status(there.root)
    assert found.counts == {"finished": 0, "running": 0, "failed": 1, "lost": 0, "waiting": 2}
    assert [(one.task, one.attempt, one.reason) for one in found.failures] == [(task, 1, said["reason"])]
    assert run_task(there.root, task.hash, log=False) == "failed"
    assert [one.attempt for one in status(there.root).failures] == [2]


def test_a_task_that_was_taken_over_does_not_count(planned, monkeypatch):
    """A process that stood still for long goes on when another has taken its task."""
    plan, there = planned()
    task = plan.tasks[0].hash
    configure = configuration

    def slow(*arguments):
        (there.attempts / f"{task}.2").touch()
        return configure(*arguments)

    monkeypatch.setattr("scpi.benchmark.grid._compute.configuration", slow)
    assert run_task(there.root, task, log=False) == "running"
    assert not there.is_finished(task)
    said = json.loads((there.failed / f"{task}.1" / "reason.json").read_text(encoding="utf-8"))
    assert said["kind"] == "superseded"
    # What another process is at counts, and not this
    assert status(there.root).states[task] == "running" and not status(there.root).killed


def test_an_interruption_is_no_result(planned, monkeypatch):
    plan, there = planned()

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("scpi.benchmark.grid._compute.compute", stop)
    with pytest.raises(KeyboardInterrupt):
        run_task(there.root, plan.tasks[0].hash)
    assert status(there.root).states[plan.tasks[0].hash] == "failed"


def test_the_first_to_publish_wins(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text(name, encoding="utf-8")
    (tmp_path / "there").mkdir()
    # An empty folder is that of a workflow manager
    assert publish(tmp_path / "a", tmp_path / "there")
    assert not publish(tmp_path / "b", tmp_path / "there")
    assert (tmp_path / "there" / "inner" / "file").read_text(encoding="utf-8") == "a"
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "c", tmp_path / "nowhere")


def test_what_is_given_up_keeps_no_results(tmp_path):
    there = Folder(tmp_path)
    there.make()
    scratch = there.scratch / "task.1"
    (scratch / "predictions.zarr").mkdir(parents=True)
    for name in ("log", "metrics.parquet"):
        (scratch / name).write_text("x", encoding="utf-8")
    give_up(there, "task.1", kind="killed", reason="killed by SIGKILL")
    assert sorted(path.name for path in (there.failed / "task.1").iterdir()) == ["log", "reason.json"]
    assert not scratch.exists()


def test_the_cost_is_measured():
    found = environment(attempt=2, start=time.monotonic() - 5, n_parameters=7)
    assert found["n_parameters"] == 7
    assert 5 <= found["seconds"] < 60 and found["attempt"] == 2 and found["threads"] >= 1
    assert os.cpu_count() and "numpy" in found["versions"]
