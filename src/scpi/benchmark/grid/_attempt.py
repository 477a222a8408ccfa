"""Attempts at tasks: ownership of tasks, safe between processes and machines that share a folder.

The attempts at a task are numbered. A process owns an attempt if it created its file, which can succeed for only one
process. A further attempt may begin when the latest one has failed or is no longer alive: its process is gone, or, on
another machine, has not touched the file for three heartbeat intervals. Files of attempts are kept, so that no number
is used twice.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scpi.benchmark.grid._host import host, job, machine, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scpi.benchmark.grid._folder import Folder

State = Literal["waiting", "running", "finished", "failed", "lost"]
"""State of a task: waiting, running, finished, failed, or lost by a killed process."""

KILLED = ("killed", "memory")
"""Kinds of external failures, for which the task itself may be fine."""

HEARTBEAT = 30.0
"""Seconds between heartbeats of an attempt."""
_PERIODS = 3


@dataclass(frozen=True)
class Attempt:
    """An attempt that this process owns."""

    folder: Folder
    task: str
    number: int
    heartbeat: float

    @property
    def file(self) -> Path:
        """File whose modification time is the last heartbeat."""
        return self.folder.attempt(self.task, self.number)

    @property
    def name(self) -> str:
        """Name of its working folder, and of the folder with the reason of a failure."""
        return f"{self.task}.{self.number}"

    @property
    def is_superseded(self) -> bool:
        """Whether another process considered this one dead and took over."""
        return self.folder.attempt(self.task, self.number + 1).exists()


@contextmanager
def kept_alive(attempt: Attempt) -> Iterator[None]:
    """Send heartbeats while the block runs."""
    end = threading.Event()

    def beat() -> None:
        while not end.wait(attempt.heartbeat):
            # A file system may be temporarily unavailable; after too long, another process takes over
            with suppress(OSError):
                os.utime(attempt.file)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def begin(folder: Folder, task: str, *, heartbeat: float = HEARTBEAT) -> Attempt | State:
    """Begin an attempt, or return why not: the task is finished, or running elsewhere."""
    state, number = look(folder, task)
    if state in ("finished", "running"):
        return state
    owner = {"host": host(), "machine": machine(), "pid": os.getpid(), "started": started(os.getpid())}
    owner |= {"job": job(), "heartbeat": heartbeat, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    path = folder.attempt(task, number + 1)
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return "running"
    try:
        os.write(handle, json.dumps(owner).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    if folder.is_finished(task):
        # Finished by a process considered dead, between the check and the creation of the file
        return "finished"
    return Attempt(folder, task, number + 1, heartbeat)


def look(folder: Folder, task: str) -> tuple[State, int]:
    """State of a task, and the number of its latest attempt."""
    if folder.is_finished(task):
        return "finished", 0
    number = folder.n_attempts(task)
    if number == 0:
        return "waiting", 0
    if folder.has_failed(task, number):
        return "failed", number
    alive = _is_alive(folder, folder.attempt(task, number))
    # It may have ended since
    if folder.is_finished(task):
        return "finished", number
    if folder.has_failed(task, number):
        return "failed", number
    return ("running" if alive else "lost"), number


def owner_of(folder: Folder, task: str, number: int) -> dict[str, Any]:
    """Owner of an attempt; empty if there is none, or it was killed before writing it."""
    return _owner(folder.attempt(task, number))[0] if number else {}


def _owner(path: Path) -> tuple[dict[str, Any], float]:
    """Owner of an attempt, and its last heartbeat."""
    with path.open("rb") as file:
        # Opening a file on a shared file system refreshes its time from the server
        text, beat = file.read(), os.fstat(file.fileno()).st_mtime
    try:
        return dict(json.loads(text)), beat
    except ValueError:
        return {}, beat


def _is_alive(folder: Folder, path: Path) -> bool:
    owner, beat = _owner(path)
    if owner and owner["machine"] == machine():
        return started(owner["pid"]) == owner["started"]
    return _now(folder) - beat <= _PERIODS * owner.get("heartbeat", HEARTBEAT)


def _now(folder: Folder) -> float:
    """Time on the clock of the file system, which heartbeats use."""
    path = folder.attempts / ".clock"
    path.touch()
    os.utime(path)
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_mtime
