"""Execution of all tasks of a grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scpi._optional import import_extra
from scpi._warn import warn_user
from scpi.benchmark.grid._attempt import HEARTBEAT
from scpi.benchmark.grid._cells import prepare_cells
from scpi.benchmark.grid._clean import clean
from scpi.benchmark.grid._coordinator import Coordinator
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._grid import Grid
from scpi.benchmark.grid._local import LocalExecutor
from scpi.benchmark.grid._plan import make_plan
from scpi.benchmark.grid._progress import progress_bar
from scpi.benchmark.grid._status import status

if TYPE_CHECKING:
    import os

    from scpi.benchmark.grid._executor import Executor
    from scpi.benchmark.grid._status import GridStatus


def run(
    grid: Grid | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    retries: int = 2,
    heartbeat: float = HEARTBEAT,
    progress: bool = True,
) -> GridStatus:
    """Run all tasks of a grid without a result, and store each result in a separate folder.

    A run may be killed at any time and started again: finished tasks are not repeated, failed tasks are retried, and
    the run waits for tasks of other processes. Several machines may work in the same folder.

    Parameters
    ----------
    grid
        The grid, or its YAML file.
    out
        Folder for the results.
    executor
        Executor of the tasks; one process at a time on this machine if ``None``.
    retries
        Maximum number of retries of a killed task, with fewer workers each time.
    heartbeat
        Seconds between heartbeats of a task. Another machine takes it over after three intervals without one.
    progress
        Whether to show a progress bar.

    Returns
    -------
    Status of the tasks. Failed tasks do not stop the others.

    Raises
    ------
    FileNotFoundError
        If the grid does not exist.
    ImportError
        If pyarrow is missing, which stores the scores.
    ValueError
        If the grid or its data are invalid; the message names the entry, and its line in a file.

    Warns
    -----
    UserWarning
        If :func:`scpi.benchmark.audit_leaks` finds leaks of medium or high severity in a split.
    """
    import_extra("pyarrow.parquet")
    grid = grid if isinstance(grid, Grid) else Grid.read(grid)
    folder = Folder(Path(out).expanduser().absolute())
    folder.make()
    plan = make_plan(grid, folder)
    plan.write(folder)
    clean(folder)
    wanted = {task.data for task in plan.tasks if not folder.is_finished(task.hash)}
    for name in sorted(wanted):
        prepare_cells(grid.data[name], plan.words[name], folder)
    with progress_bar(len(plan.tasks), shown=progress) as show:
        coordinator = Coordinator(folder, executor or LocalExecutor(), retries=retries, heartbeat=heartbeat, show=show)
        coordinator.add(plan)
        coordinator.work()
    found = status(folder.root, plan=plan.word)
    if found.leaks:
        first = found.leaks[0]
        warn_user(
            f"The audit found {len(found.leaks)} leaks between training and test cells, such as in {first.title}: {first.kind}. "
            f"{first.evidence} {first.remedy} `status` lists them, and the column 'leak_risk' of the table marks the scores."
        )
    return found
