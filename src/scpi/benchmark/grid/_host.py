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
    """Identifier of this machine since its start and of its space of process numbers; containers may share a name."""
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
    """Name the job of this thread in the block, unless it is a job of Slurm."""
    token = _JOB.set(name)
    try:
        yield
    finally:
        _JOB.reset(token)


def started(pid: int) -> str:
    """Start time of a process, if the system reports it, because process numbers are reused. Empty if the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() or not _answers(pid) else "running"
    # A killed process exists until its parent asks for its status
    return "" if fields[0] in "ZX" else fields[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
