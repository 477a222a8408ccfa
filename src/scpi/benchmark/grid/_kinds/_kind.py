"""The kinds of tasks of a grid."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from scpi._scoring._metrics import check_metrics
from scpi.benchmark.grid._kinds._names import check_clustering, check_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scpi.benchmark._run import Computed
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_task import GridTask
    from scpi.benchmark.grid._plan import Plan


class Kind(NamedTuple):
    """A kind of task. Kinds share everything else: hashes, folders, executors, tables and reports."""

    check_metrics: Callable[[Sequence[str] | str | None], list[str]]
    """Names of the metrics to compute; a `ValueError` if one is unknown. All kinds have ``"honest"``, the default."""
    module: str
    """Module whose ``compute`` computes the result of a task; it is imported when a task runs."""
    has_references: bool = False
    """Whether there are a noise ceiling, bounds and ways to game the score, and whether settings can be tuned."""

    def compute(self, plan: Plan, task: GridTask, folder: Folder) -> Computed:
        """Scores of a task, one row per scored unit."""
        found: Computed = import_module(self.module).compute(plan, task, folder)
        return found


_ROOM = "scpi.benchmark.grid._kinds"
KINDS = {
    "prediction": Kind(check_metrics, f"{_ROOM}._prediction", has_references=True),
    "clustering": Kind(check_clustering, f"{_ROOM}._clustering"),
    "programs": Kind(check_programs, f"{_ROOM}._programs"),
}
"""Kinds by the names that grids give them. A new one is a file with a function `compute`, a check of its metrics, and a line here."""
