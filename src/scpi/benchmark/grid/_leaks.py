"""Leaks in the folds of a grid, found once per fold and stored for all of its tasks."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from scpi._fingerprint import fingerprint
from scpi._replace import replaced
from scpi._scoring._conventions import LEAK_RISK, LEAKS
from scpi.benchmark.grid import _grid_model
from scpi.benchmark.grid._names import look_up
from scpi.benchmark.grid._plan import REFERENCES, divisions_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from anndata import AnnData

    from scpi._screen._split import Split
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_model import GridModel
    from scpi.benchmark.grid._grid_task import GridTask
    from scpi.benchmark.grid._plan import Plan

_NAME = re.compile(r"\['(.*)'\]$")


class Leak(NamedTuple):
    """A leak in a fold of a grid, found by :func:`scpi.benchmark.audit_leaks`."""

    data: str
    """Name of the data."""
    scheme: str
    """Name of the split function."""
    split: str
    """Name of the fold: what it holds out."""
    kind: str
    """Kind of the leak."""
    severity: str
    """Severity: for a leak in an entry of the data, high for models that read the entry, and low for others."""
    n: int
    """Number of affected cells, conditions or genes."""
    entry: str
    """Entry of the data; empty for the split itself."""
    evidence: str
    """Evidence, with numbers."""
    remedy: str
    """Remedy."""

    @property
    def title(self) -> str:
        """Readable name of the fold."""
        return f"{self.data}, {self.scheme} {self.split}"


def audited(plan: Plan, task: GridTask, folder: Folder, adata: AnnData, split: Split) -> list[Leak]:
    """Leaks in the fold of a task for its model; the audit runs unless its result is stored."""
    path = _path(plan, task, folder)
    if not path.is_file():
        from scpi.benchmark._guards._audit_leaks import audit_leaks

        data = plan.grid.data[task.data]
        options: dict[str, Any] = {"layer": data.layer, "apart": data.apart, "reads": ()}
        found = audit_leaks(adata, split, **data.setup, exclude_targets=plan.grid.exclude_targets, **options)
        with replaced(path) as scratch:
            scratch.write_text(found.to_json(orient="records", indent=1), encoding="utf-8")
    return _read(path, task, plan, [task.model])


def known_leaks(plan: Plan, folder: Folder) -> Iterator[Leak]:
    """Leaks of medium and high severity in all audited folds, for any of their models."""
    divisions: dict[tuple[str, str, int], list[GridTask]] = {}
    for task in plan.tasks:
        divisions.setdefault((task.data, task.scheme, task.fold), []).append(task)
    for tasks in divisions.values():
        path = _path(plan, tasks[0], folder)
        if path.is_file():
            models = dict.fromkeys(task.model for task in tasks)
            yield from (leak for leak in _read(path, tasks[0], plan, models) if leak.severity != "low")


def leak_columns(leaks: Iterable[Leak]) -> dict[str, str]:
    """Columns of a table of scores: the highest severity, and the kinds of findings."""
    from scpi.benchmark._guards._finding import risk_of

    found = list(leaks)
    return {
        LEAK_RISK: risk_of(leak.severity for leak in found),
        LEAKS: ", ".join(dict.fromkeys(leak.kind for leak in found)),
    }


def _path(plan: Plan, task: GridTask, folder: Folder) -> Path:
    data = plan.grid.data[task.data]
    word = divisions_word(data, plan.words[task.data], plan.grid.splits[task.scheme])
    return folder.leaks / f"{fingerprint([word, list(data.apart), plan.grid.exclude_targets])}.{task.fold}.json"


def _read(path: Path, task: GridTask, plan: Plan, models: Iterable[str]) -> list[Leak]:
    """Stored leaks, with higher severity if a model reads their entry."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    # Looking up models imports torch
    reads = _reads(plan, models) if any(row["severity"] == "low" for row in rows) else set()
    where = {"data": task.data, "scheme": task.scheme, "split": task.split}
    found = []
    for row in rows:
        name = _NAME.search(row["entry"])
        is_read = row["severity"] == "low" and name is not None and name[1] in reads
        found.append(Leak(**row | where | ({"severity": "high"} if is_read else {})))
    return found


def _reads(plan: Plan, models: Iterable[str]) -> set[str]:
    """Names of entries of the data that the setup of models reads, by default or as given in the grid."""
    variants = plan.grid.variants()
    return {name for model in models if model not in REFERENCES for name in _named(variants[model])}


def _named(model: GridModel) -> Iterator[str]:
    setup = getattr(look_up(str(model.model), _grid_model.ROOM), "setup_anndata", None)
    defaults = {} if setup is None else {name: one.default for name, one in inspect.signature(setup).parameters.items()}
    for values in (defaults | dict(model.setup), model.init, model.train, {"layer": model.layer}):
        for value in values.values():
            yield from (one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, str))
