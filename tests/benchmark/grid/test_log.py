"""Finished tasks in MLflow and TensorBoard."""

from __future__ import annotations

import pytest

from scpi.benchmark.grid import collect, log_mlflow, log_tensorboard, run
from scpi.benchmark.grid._finished import finished_tasks


@pytest.fixture(scope="module")
def grid_folder(tiny, inline, tmp_path_factory):
    out = tmp_path_factory.mktemp("log") / "out"
    models = {"additive": {"model": "Additive", "validation_size": 0.1, "predict": {"output": "mean"}}}
    splits = {"cells": {"by": "random_cells", "arguments": {"n_splits": 1}}}
    run(tiny(models=models, splits=splits), out, executor=inline(), progress=False)
    return out


def test_what_a_finished_task_says(grid_folder):
    by_model = {one.task.model: one for one in finished_tasks(grid_folder, None)}
    one = by_model["additive"]
    table = collect(grid_folder)
    rmse = table.loc[table["model"] == "additive", "rmse"].mean()
    assert one.metrics["rmse"] == pytest.approx(rmse, abs=1e-12) and one.metrics["seconds"] > 0
    assert one.settings["predict.output"] == "mean" and one.settings["split"] == "draw 1"
    assert len(by_model) == 2


def test_tasks_are_logged_once_to_mlflow(grid_folder, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert log_mlflow(grid_folder, experiment="tiny", tracking_uri=uri) == 2
    client = mlflow.MlflowClient(tracking_uri=uri)
    number = client.get_experiment_by_name("tiny").experiment_id
    runs = {one.info.run_name.partition(",")[0]: one for one in client.search_runs([number])}
    assert runs["additive"].data.params["predict.output"] == "mean"
    table = collect(grid_folder)
    assert runs["additive"].data.metrics["mae"] == pytest.approx(table.loc[table["model"] == "additive", "mae"].mean())
    assert {one.info.status for one in runs.values()} == {"FINISHED"}
    # Again does nothing, but for a run that a kill has left
    assert log_mlflow(grid_folder, experiment="tiny", tracking_uri=uri) == 0
    client.update_run(runs["additive"].info.run_id, status="RUNNING")
    assert log_mlflow(grid_folder, experiment="tiny", tracking_uri=uri) == 1
    assert len(client.search_runs([number])) == 2


def test_tasks_are_logged_once_to_tensorboard(grid_folder, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert log_tensorboard(grid_folder, tmp_path / "runs") == 2
    assert log_tensorboard(grid_folder, tmp_path / "runs") == 0
    table, found = collect(grid_folder), []
    for path in (tmp_path / "runs").iterdir():
        read = events.EventAccumulator(str(path)).Reload()
        found.append(read.Scalars("rmse")[0].value)
    means = table.groupby("model")["rmse"].mean()
    assert min(abs(value - means["additive"]) for value in found) < 1e-6
