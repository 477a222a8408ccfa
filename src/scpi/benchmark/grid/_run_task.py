"""Execution of one task, from the claim to the published result."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scpi._optional import import_extra
from scpi._replace import flush_folder
from scpi.benchmark.grid._attempt import HEARTBEAT, Attempt, begin, kept_alive
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._host import host
from scpi.benchmark.grid._plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from scpi.benchmark.grid._grid_task import GridTask

Ending = Literal["finished", "failed", "running"]


def run_task(
    out: str | os.PathLike[str],
    task: str,
    *,
    plan: str | None = None,
    heartbeat: float = HEARTBEAT,
    wait: bool = False,
    log: bool = True,
) -> Ending:
    """Run one task of a grid, unless it is finished or another process works on it.

    Parameters
    ----------
    out
        Folder of the grid.
    task
        Hash of the task, or a prefix of it.
    plan
        Hash of the plan of the task; the newest of the folder if ``None``.
    heartbeat
        Seconds between heartbeats. Another machine takes a task over after three intervals without one.
    wait
        Whether to wait for another process that works on the task, and to take over if that process dies.
    log
        Whether to redirect the output of the whole process, including threads, to the log of the task.

    Returns
    -------
    ``"finished"`` if the result exists, ``"failed"`` if the task failed and stored the reason, or ``"running"`` if
    another process works on it.

    Raises
    ------
    FileNotFoundError
        If the folder holds no grid.
    ImportError
        If pyarrow is missing, which stores the scores.
    KeyError
        If the grid has no such task.
    """
    import_extra("pyarrow.parquet")
    folder = Folder(Path(out).expanduser().absolute())
    read = Plan.read(folder, plan)
    found = read.find(task)
    if found is None:
        msg = f"{str(folder.root)!r} has no task {task!r}: `scpi benchmark status --tasks` lists them."
        raise KeyError(msg)
    folder.make()
    attempt = begin(folder, found.hash, heartbeat=heartbeat)
    while wait and attempt == "running":
        time.sleep(heartbeat / 4)
        attempt = begin(folder, found.hash, heartbeat=heartbeat)
    if not isinstance(attempt, Attempt):
        return "finished" if attempt == "finished" else "running"
    with kept_alive(attempt):
        return _attempted(read, found, attempt, log=log)


def _attempted(plan: Plan, task: GridTask, attempt: Attempt, *, log: bool) -> Ending:
    """Run the task in a scratch folder, and publish its result."""
    from scpi.benchmark.grid._compute import compute, configuration
    from scpi.benchmark.grid._environment import environment

    folder, start = attempt.folder, time.monotonic()
    scratch = folder.scratch / attempt.name
    scratch.mkdir()
    try:
        write_json(scratch / "config.json", configuration(plan, task))
        with _logged(scratch / "log") if log else nullcontext():
            table, cells, n_parameters = compute(plan, task, folder)
            table.to_parquet(scratch / "metrics.parquet", index=False)
            if cells is not None:
                _write_cells(cells, scratch)
        write_json(
            scratch / "environment.json", environment(attempt=attempt.number, start=start, n_parameters=n_parameters)
        )
        if not attempt.is_superseded and publish(scratch, folder.tasks / task.hash):
            return "finished"
        # Another process considered this one dead, and its result counts
        give_up(folder, attempt.name, kind="superseded", reason="Another process took the task over.")
        return "finished" if folder.is_finished(task.hash) else "running"
    except Exception as error:  # noqa: BLE001 - whatever somebody's model raises is kept as the reason
        kind = "memory" if isinstance(error, MemoryError) else "error"
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        give_up(folder, attempt.name, kind=kind, reason=reason, traceback=traceback.format_exc())
        return "failed"
    except BaseException as error:
        give_up(folder, attempt.name, kind="interrupted", reason=type(error).__name__)
        raise


def give_up(folder: Folder, name: str, *, kind: str, reason: str, **more: Any) -> None:
    """Store the reason why an attempt has no result, with its log and configuration; partial results are deleted."""
    scratch = folder.scratch / name
    scratch.mkdir(exist_ok=True)
    for path in list(scratch.iterdir()):
        if path.name not in ("config.json", "log"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    write_json(scratch / "reason.json", {"kind": kind, "reason": reason, "host": host(), "ended": ended, **more})
    publish(scratch, folder.failed / name)


def publish(scratch: Path, path: Path) -> bool:
    """Rename a folder once all of it is on disk; return whether the name was free."""
    for file in scratch.rglob("*"):
        if file.is_dir():
            flush_folder(file)
        else:
            with file.open("rb+") as handle:
                os.fsync(handle)
    flush_folder(scratch)
    try:
        scratch.rename(path)
    except OSError:
        # A folder with files is not replaced, which resolves races between processes
        if not path.is_dir():
            raise
        return False
    flush_folder(path.parent)
    return True


def write_json(path: Path, content: Any) -> None:
    """Write a readable JSON file."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _write_cells(cells: AnnData, folder: Path) -> None:
    """Write cells as a zipped Zarr store: one file instead of a hundred, as clusters limit the number of files."""
    store = folder / "predictions.zarr"
    cells.write_zarr(store)
    shutil.make_archive(str(store), "zip", store)
    shutil.rmtree(store)


@contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Send what this process prints, libraries included, to a file."""
    with path.open("ab", buffering=0) as file:
        kept = [os.dup(stream) for stream in (1, 2)]
        try:
            _flush()
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            # In a notebook, Python prints elsewhere
            with path.open("a", encoding="utf-8") as text, redirect_stdout(text), redirect_stderr(text):
                yield
        finally:
            _flush()
            for stream, old in zip((1, 2), kept, strict=True):
                os.dup2(old, stream)
                os.close(old)


def _flush() -> None:
    """Flush the buffers of Python."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
