"""Identity of machine and process, and whether another process is alive."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLE = "SCPI_HOST"
# Threads of one process may do several jobs
_JOB: ContextVar[str | None] = ContextVar("scpi_job", default=None)


def host() -> str:
    """Name of this machine for a reader: the environment variable ``SCPI_HOST``, or the host name."""
    return os.environ.get(_VARIABLE) or socket.gethostname()


def machine() -> str:
    """Word of this machine since it started, and of the space of its process numbers: containers may share a name."""
    return " ".join([host(), *_boot()])


@cache
def _boot() -> tuple[str, ...]:
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return boot, str(Path("/proc/self/ns/pid").readlink())
    return ()


def job() -> str | None:
    """Name of the job that this thread does, such as the number of one of Slurm and its place in the array; ``None`` if none."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    slurm = None if array is None else f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}"
    return _JOB.get() or slurm


@contextmanager
def named_job(name: str) -> Iterator[None]:
    """Give the job that this thread does in the block a name, where it is not one of Slurm."""
    token = _JOB.set(name)
    try:
        yield
    finally:
        _JOB.reset(token)


def started(pid: int) -> str:
    """Word of when a process began, where the system says so: process numbers are used again. Empty if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() or not _answers(pid) else "running"
    # One that was killed is there until its parent asks
    return "" if fields[0] in "ZX" else fields[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
