"""Status of the tasks of a grid."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scpi.benchmark.grid._attempt import KILLED, look
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._grid_task import GridTask, read_plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scpi.benchmark.grid._attempt import State
    from scpi.benchmark.grid._leaks import Leak


class Failure(NamedTuple):
    """An attempt at a task without a result."""

    task: GridTask
    """The task."""
    attempt: int
    """Number of the attempt."""
    kind: str
    """``"error"`` if it raised an error, ``"killed"`` if it was terminated, ``"memory"`` if it ran out of memory."""
    reason: str
    """Message of the error, or how it was terminated."""
    log: str
    """Folder with its log."""


@dataclass(frozen=True, eq=False, kw_only=True)
class GridStatus:
    """Status of the tasks of a grid."""

    out: Path
    """Folder of the grid."""
    plan: str
    """Hash of the plan."""
    tasks: tuple[GridTask, ...]
    """All tasks."""
    states: dict[str, State]
    """State of each task by its hash: ``"finished"``, ``"running"``, ``"failed"``, ``"waiting"``, or ``"lost"`` if its
    process was killed (the next run repeats it)."""
    attempts: tuple[Failure, ...]
    """Attempts at these tasks that failed or were killed, even if a later attempt finished the task."""
    n_other: int
    """Number of finished tasks of other grids, data or versions in the folder."""
    leaks: tuple[Leak, ...]
    """Leaks of medium or high severity in the folds of which a task has run, as the models are affected."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of tasks by state."""
        counted = Counter(self.states.values())
        return {state: counted[state] for state in ("finished", "running", "failed", "lost", "waiting")}

    @property
    def is_finished(self) -> bool:
        """Whether all tasks have a result."""
        return self.counts["finished"] == len(self.tasks)

    @property
    def failures(self) -> list[Failure]:
        """The latest attempt at each failed task."""
        latest = {one.task.hash: one for one in self.attempts}
        return [one for task, one in latest.items() if self.states[task] == "failed"]

    @property
    def killed(self) -> list[Failure]:
        """Attempts that were terminated, irrespective of the state of the task."""
        return [one for one in self.attempts if one.kind in KILLED]

    def to_dict(self) -> dict[str, Any]:
        """Convert the status to plain data for JSON.

        Returns
        -------
        Counts, failed and killed attempts, and leaks.
        """

        def rows(failures: Iterable[Failure]) -> list[dict[str, Any]]:
            return [one._asdict() | {"task": one.task._asdict()} for one in failures]

        shared = {"out": str(self.out), "plan": self.plan, "n_tasks": len(self.tasks), "n_other": self.n_other}
        found = {"failures": rows(self.failures), "killed": rows(self.killed)}
        return shared | self.counts | found | {"leaks": [leak._asdict() for leak in self.leaks]}


def status(out: str | os.PathLike[str], *, plan: str | None = None) -> GridStatus:
    """Return the status of the tasks of a grid.

    Parameters
    ----------
    out
        Folder of the grid.
    plan
        Hash of the plan; the newest of the folder if ``None``.

    Returns
    -------
    State of each task, and failed or killed attempts.

    Raises
    ------
    FileNotFoundError
        If the folder holds no grid.
    """
    folder = Folder(Path(out).expanduser().absolute())
    word, _, listed = read_plan(folder, plan)
    finished, begun, failed = (_names(path) for path in (folder.tasks, folder.attempts, folder.failed))
    tried = {name.partition(".")[0] for name in begun}
    states: dict[str, State] = {}
    for task in listed:
        if task.hash in finished and folder.is_finished(task.hash):
            states[task.hash] = "finished"
        else:
            states[task.hash] = look(folder, task.hash)[0] if task.hash in tried else "waiting"
    known = {task.hash: task for task in listed}
    place = {task: number for number, task in enumerate(known)}
    attempts = [_failure(folder, name, known) for name in failed if name.partition(".")[0] in known]
    return GridStatus(
        out=folder.root,
        plan=word,
        tasks=listed,
        states=states,
        attempts=tuple(sorted(attempts, key=lambda one: (place[one.task.hash], one.attempt))),
        n_other=len(finished - known.keys()),
        leaks=_leaks(folder, word),
    )


def _names(path: Path) -> set[str]:
    """Names in a folder, without opening them."""
    return {entry.name for entry in os.scandir(path)} if path.is_dir() else set()


def _failure(folder: Folder, name: str, known: dict[str, GridTask]) -> Failure:
    task, _, number = name.partition(".")
    path = folder.failed / name
    said = json.loads((path / "reason.json").read_text(encoding="utf-8"))
    return Failure(known[task], int(number), said["kind"], said["reason"], str(path))


def _leaks(folder: Folder, plan: str) -> tuple[Leak, ...]:
    """Leaks that were found; libraries that determine which models read them are loaded only if there are any."""
    if not any(path.read_text(encoding="utf-8").strip() != "[]" for path in folder.leaks.glob("*.json")):
        return ()
    from scpi.benchmark.grid._leaks import known_leaks
    from scpi.benchmark.grid._plan import Plan

    return tuple(known_leaks(Plan.read(folder, plan), folder))
