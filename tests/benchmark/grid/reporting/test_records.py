from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from scpi.benchmark.grid import GridStatus
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._leaks import Leak
from scpi.benchmark.grid._plan import GridTask
from scpi.benchmark.grid._reporting._records import costs, failures, further_columns, leaks
from scpi.benchmark.grid._status import Failure


def task(number, model="m"):
    return GridTask(str(number), "d", "s", 0, "part", model, number)


def status_of(states, attempts=(), model="m"):
    tasks = tuple(task(number, model) for number in range(len(states)))
    known = {one.hash: state for one, state in zip(tasks, states, strict=True)}
    return GridStatus(out=Path(), plan="p", tasks=tasks, states=known, attempts=tuple(attempts), n_other=0, leaks=())


def test_what_has_no_result_is_named_with_the_latest_reason():
    attempts = [
        Failure(task(1), 1, "error", "first", ""),
        Failure(task(1), 2, "error", "second", ""),
        Failure(task(3), 1, "memory", "too large", ""),
    ]
    found = failures(status_of(["finished", "failed", "waiting", "finished"], attempts))
    assert found[["seed", "state", "attempt", "reason"]].to_numpy().tolist() == [
        [1, "failed", 2, "second"],
        [2, "waiting", 0, ""],
        [3, "killed, then finished", 1, "too large"],
    ]
    assert list(failures(status_of(["finished"])).columns) == list(found.columns)


def test_leaks_are_named_once_and_the_gravest_first():
    def leak(split, kind, severity, evidence):
        return Leak("d", "s", split, kind, severity, 3, "", evidence, "a remedy")

    found = [leak("a", "near", "medium", "1"), leak("a", "same", "high", "2"), leak("b", "near", "medium", "3")]
    table = leaks(replace(status_of(["finished"]), leaks=tuple(found)))
    assert table[["kind", "severity", "n_divisions", "evidence"]].to_numpy().tolist() == [
        ["same", "high", 1, "2"],
        ["near", "medium", 2, "1"],
    ]
    assert leaks(status_of(["finished"])).empty


def test_costs_are_those_of_finished_tasks(tmp_path):
    folder = Folder(tmp_path)
    for number, (seconds, memory) in enumerate([(2.0, 3e8), (4.0, 5e8), (100.0, 9e9)]):
        (folder.tasks / str(number)).mkdir(parents=True)
        said = {"seconds": seconds, "peak_memory": memory, "n_parameters": 7, "gpu": None}
        (folder.tasks / str(number) / "environment.json").write_text(json.dumps(said), encoding="utf-8")
    (row,) = costs(folder, status_of(["finished", "finished", "failed"])).to_dict("records")
    assert (row["model"], row["n_tasks"], row["seconds"], row["memory_mb"], row["n_parameters"]) == (
        "m",
        2,
        3.0,
        500.0,
        7,
    )
    assert costs(folder, status_of(["finished"], model="split-half ceiling")).empty


def test_other_columns_are_shown_whatever_they_are(scores):
    table = scores(a=[0.1, 0.2], b=[0.3, 0.4], **{"split-half_ceiling": [0.5, 0.6]})
    assert further_columns(table).empty
    notes = ["none", "duplicates of cells", None, None, "x", "x"]
    found = further_columns(
        table.assign(notes=notes, leaks="", n_shared=[1, 2, 3, 5, 0, 0], wrong=[True, False, *[np.nan] * 4])
    )
    shown = found.set_index(["column", "model"])["value"].to_dict()
    assert shown == {
        ("notes", "a"): "none, duplicates of cells",
        ("notes", "b"): "–",
        ("n_shared", "a"): "1.5",
        ("n_shared", "b"): "4",
        ("wrong", "a"): "True, False",
        ("wrong", "b"): "–",
    }
    assert pd.Series(["data", "scheme"]).isin(found.columns).all()
