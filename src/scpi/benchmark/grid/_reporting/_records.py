"""Records of a grid beside scores: costs, failures, leaks, and columns added by others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._scoring._conventions import LEAK_RISK, LEAKS, NULL_OF
from scpi._scoring._metrics import NAMES
from scpi._scoring._noise_ceiling import CEILING
from scpi.benchmark.grid._reporting._ranking import CONDITION, REFERENCES

if TYPE_CHECKING:
    from collections.abc import Collection

    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._status import GridStatus

_KNOWN = frozenset(
    {"data", "scheme", "model", "seed", "n_cells", "seconds", LEAK_RISK, LEAKS, NULL_OF, *CONDITION, *NAMES}
)
_BY = ["data", "scheme", "model"]
_TASK = ["data", "scheme", "split", "model", "seed", "hash"]


def costs(folder: Folder, status: GridStatus) -> pd.DataFrame:
    """Mean time and largest memory of the finished tasks of each model, and its number of parameters.

    Memory is that of the process, in MB, and time that of the whole task, in seconds.
    """
    rows = []
    for task in status.tasks:
        path = folder.tasks / task.hash / "environment.json"
        if task.model == CEILING or status.states[task.hash] != "finished" or not path.is_file():
            continue
        said = json.loads(path.read_text(encoding="utf-8"))
        rows.append(
            {name: getattr(task, name) for name in _BY}
            | {"seconds": said["seconds"], "memory_mb": (said["peak_memory"] or np.nan) / 1e6}
            | {"n_parameters": said.get("n_parameters"), "gpu": said.get("gpu")}
        )
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).groupby(_BY, sort=False)
    return table.agg(
        n_tasks=("seconds", "size"),
        seconds=("seconds", "mean"),
        memory_mb=("memory_mb", "max"),
        n_parameters=("n_parameters", "max"),
        gpu=("gpu", "first"),
    ).reset_index()


def failures(status: GridStatus) -> pd.DataFrame:
    """Tasks that have no result, and attempts that were killed, with the reasons."""
    latest = {one.task.hash: one for one in status.attempts}
    lacking = [task for task in status.tasks if status.states[task.hash] != "finished"]
    tried = [(task, status.states[task.hash], latest.get(task.hash)) for task in lacking]
    killed = [one for one in status.killed if status.states[one.task.hash] == "finished"]
    rows = [
        {name: getattr(task, name) for name in _TASK}
        | {"state": state, "attempt": one.attempt if one else 0, "reason": one.reason if one else ""}
        for task, state, one in [*tried, *((one.task, "killed, then finished", one) for one in killed)]
    ]
    return pd.DataFrame(rows, columns=[*_TASK, "state", "attempt", "reason"])


def leaks(status: GridStatus) -> pd.DataFrame:
    """Leaks of medium and high severity between training and test cells, the gravest first, each once per part of the grid."""
    if not status.leaks:
        return pd.DataFrame()
    table = pd.DataFrame([leak._asdict() for leak in status.leaks])
    by = ["data", "scheme", "kind", "severity", "entry"]
    found = table.groupby(by, sort=False, as_index=False).agg(
        n_divisions=("split", "nunique"), evidence=("evidence", "first"), remedy=("remedy", "first")
    )
    return found.sort_values("severity", kind="stable", key=lambda column: column != "high", ignore_index=True)


def further_columns(table: pd.DataFrame, metrics: Collection[str] = ()) -> pd.DataFrame:
    """Columns of a table that are neither scores nor names, by model: means of numbers, and the values of all else."""
    models = table[~table["model"].isin(REFERENCES)]
    rows = []
    for name in [name for name in table if name not in _KNOWN and name not in metrics]:
        for key, values in models.groupby(_BY, observed=True, sort=False)[name]:
            there = values.dropna()
            is_number = pd.api.types.is_numeric_dtype(there) and not pd.api.types.is_bool_dtype(there)
            shown = f"{there.mean():.4g}" if is_number and len(there) else ", ".join(map(str, there.unique())) or "–"
            rows.append(dict(zip(_BY, key, strict=True)) | {"column": name, "value": shown})
    return pd.DataFrame(rows)
