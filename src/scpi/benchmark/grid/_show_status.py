"""Command line output of the status of tasks, without the libraries that tasks need."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scpi.benchmark.grid._status import GridStatus

_MOST = 20


def folder_of(grid: Path, out: Path | None) -> Path:
    """Folder of a grid: ``out``, the path itself if it is a folder, or else the folder with the name of the file."""
    if grid.is_dir():
        return grid
    return grid.with_suffix("") if out is None else out


def status_lines(found: GridStatus, *, tasks: bool = False) -> Iterator[str]:
    """State of the tasks, with failed and killed attempts."""
    counts = ", ".join(f"{n:,} {state}" for state, n in found.counts.items() if n or state == "finished")
    yield f"{len(found.tasks):,} tasks: {counts}."
    if found.n_other:
        yield f"The folder holds {found.n_other:,} results of other grids, data or versions."
    for what, failures in (("Failed", found.failures), ("Killed", found.killed)):
        for one in failures[:_MOST]:
            yield f"{what}: {one.task.title} (attempt {one.attempt}): {one.reason}"
            if what == "Failed":
                yield f"    {one.log}"
        if len(failures) > _MOST:
            yield f"... and {len(failures) - _MOST:,} more: --json lists all."
    if found.leaks:
        yield f"Risk of leaks: {len(found.leaks):,} findings. Scores with leaks of high severity are not valid."
        for leak in found.leaks[:_MOST]:
            yield f"    {leak.title}: {leak.kind} ({leak.severity}). {leak.evidence}"
        if len(found.leaks) > _MOST:
            yield f"... and {len(found.leaks) - _MOST:,} more: --json lists all."
    if tasks:
        yield from (f"{task.hash}  {found.states[task.hash]:<9}{task.title}" for task in found.tasks)
