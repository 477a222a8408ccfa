"""Finished tasks as runs of MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scpi._optional import import_extra
from scpi.benchmark.grid._finished import finished_tasks

if TYPE_CHECKING:
    import os

_TAG = "scpi.task"


def log_mlflow(
    out: str | os.PathLike[str], *, experiment: str = "scpi", tracking_uri: str | None = None, plan: str | None = None
) -> int:
    """Log the finished tasks of a grid to MLflow, each once: settings as parameters, means over conditions as metrics.

    Parameters
    ----------
    out
        Folder of the grid.
    experiment
        Name of the experiment, which is created if it does not exist.
    tracking_uri
        Address of the server or of a folder; that of MLflow if ``None``.
    plan
        Hash of the plan; the newest of the folder if ``None``.

    Returns
    -------
    Number of newly logged tasks.

    Raises
    ------
    FileNotFoundError
        If the folder holds no grid.
    ImportError
        If mlflow or pyarrow is missing.
    """
    mlflow = import_extra("mlflow")
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    found = client.get_experiment_by_name(experiment)
    number = client.create_experiment(experiment) if found is None else found.experiment_id
    known = _logged(client, number)
    n_logged = 0
    for one in finished_tasks(out, plan):
        if one.task.hash in known:
            continue
        at = int(one.ended.timestamp() * 1000)
        run = client.create_run(number, start_time=at, tags={_TAG: one.task.hash}, run_name=one.task.title)
        entities = mlflow.entities
        client.log_batch(
            run.info.run_id,
            metrics=[entities.Metric(name, value, at, 0) for name, value in one.metrics.items()],
            params=[entities.Param(name, str(value)) for name, value in one.settings.items()],
        )
        client.set_terminated(run.info.run_id, end_time=at)
        n_logged += 1
    return n_logged


def _logged(client: Any, number: str) -> set[str]:
    """Hashes of the logged tasks; incomplete runs of a killed call are removed."""
    known, token = set(), None
    while True:
        page = client.search_runs([number], max_results=1000, page_token=token)
        for run in page:
            if _TAG in run.data.tags and run.info.status != "FINISHED":
                client.delete_run(run.info.run_id)
            else:
                known.add(run.data.tags.get(_TAG, ""))
        token = page.token
        if not token:
            return known
