"""Finished tasks in the form that experiment trackers log."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scpi._optional import import_extra
from scpi._scoring._metrics import NAMES
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._grid_task import GridTask, read_plan

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

_SECTIONS = ("setup", "init", "train", "predict")


class Finished(NamedTuple):
    """A finished task."""

    task: GridTask
    settings: dict[str, Any]
    """Settings of the model, by names such as ``train.lr``, and the identity of the task."""
    metrics: dict[str, float]
    """Means over the conditions, the seconds of the task and its memory."""
    ended: datetime
    """When it ended."""


def finished_tasks(out: str | os.PathLike[str], plan: str | None) -> Iterator[Finished]:
    """The finished tasks of a plan; a `FileNotFoundError` if the folder holds no grid."""
    parquet = import_extra("pyarrow.parquet")
    folder = Folder(Path(out).expanduser().absolute())
    for task in read_plan(folder, plan)[2]:
        if not folder.is_finished(task.hash):
            continue
        path = folder.tasks / task.hash
        table = parquet.read_table(path / "metrics.parquet").to_pandas()
        config, environment = (json.loads((path / f"{name}.json").read_text()) for name in ("config", "environment"))
        means = {name: float(table[name].mean()) for name in NAMES if name in table}
        cost = {name: float(environment[name]) for name in ("seconds", "peak_memory") if environment[name] is not None}
        yield Finished(
            task,
            {name: getattr(task, name) for name in ("data", "scheme", "split", "model", "seed")}
            | _flat(config["model_settings"] or {}),
            {name: value for name, value in (means | cost).items() if math.isfinite(value)},
            datetime.fromisoformat(environment["ended"]),
        )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    return {f"{section}.{name}": value for section in _SECTIONS for name, value in settings.get(section, {}).items()}
