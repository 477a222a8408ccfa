"""Attempts at tasks: who works on what, safely between processes and machines that share a folder.

The attempts at a task are numbered, and a process owns the one whose file it created, which can succeed for one process
alone. A further attempt may begin when the latest one has failed or is no longer alive: its process is gone, or on another
machine has not touched the file for three of its periods. Files of attempts stay, so that no number is given twice.
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
"""A task waits, is worked on, has a result, has failed, or was left by a process that was killed."""

KILLED = ("killed", "memory")
"""Kinds of failures from outside: the task may be fine."""

HEARTBEAT = 30.0
"""Seconds between two signs of life of an attempt."""
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
        """File whose time of change is the last sign of life."""
        return self.folder.attempt(self.task, self.number)

    @property
    def name(self) -> str:
        """Name of the folder that it works in, and of the one that says why it failed."""
        return f"{self.task}.{self.number}"

    @property
    def is_superseded(self) -> bool:
        """Whether another process took this one for dead."""
        return self.folder.attempt(self.task, self.number + 1).exists()


@contextmanager
def kept_alive(attempt: Attempt) -> Iterator[None]:
    """Give signs of life while the block runs."""
    end = threading.Event()

    def beat() -> None:
        while not end.wait(attempt.heartbeat):
            # A file system may be away for a while; if that takes too long, another process takes over
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
    """Begin an attempt, or say why not: the task is finished, or running elsewhere."""
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
        # By one that was taken for dead, between the look and the file
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
    """Who began an attempt; empty if there is none, or it was killed before it could say so."""
    return _owner(folder.attempt(task, number))[0] if number else {}


def _owner(path: Path) -> tuple[dict[str, Any], float]:
    """Who began an attempt, and its last sign of life."""
    with path.open("rb") as file:
        # To open a file on a shared file system asks the server for its time
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
    """Time on the clock of the file system, which is that of the signs of life."""
    path = folder.attempts / ".clock"
    path.touch()
    os.utime(path)
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_mtime
