"""Processes on this machine, one per task."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import types
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scpi.benchmark.grid._executor import Ended, Executor
from scpi.benchmark.grid._run_task import run_task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scpi.benchmark.grid._executor import Job

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
EXIT_CODES = {"finished": 0, "failed": 1, "running": 75}
"""Exit codes of a process that ran a task: the result exists, it failed, or another process works on it."""
_PAUSE = 0.2


class LocalExecutor(Executor):
    """Run tasks in processes on this machine, one process per task, so that a killed process affects only one task.

    If the system supports it, processes are forked from a server that has imported the libraries that tasks need.

    Parameters
    ----------
    n_workers
        Maximum number of processes at a time.
    threads
        Number of threads of each process. The last digits of sums depend on it, so that it affects reproducibility.
    memory
        Maximum memory of all processes together, in bytes; if it is exceeded, the largest process is killed. No limit
        if ``None``. Linux only.
    """

    def __init__(self, n_workers: int = 1, *, threads: int = 1, memory: float | None = None) -> None:
        if n_workers < 1 or threads < 1 or (memory is not None and memory <= 0):
            msg = f"`n_workers` ({n_workers}), `threads` ({threads}) and `memory` ({memory}) must be positive."
            raise ValueError(msg)
        if memory is not None and not Path("/proc/self/status").exists():
            msg = "The memory of processes can be watched on Linux only: leave `memory` out."
            raise NotImplementedError(msg)
        self._n_workers, self._threads, self._memory = n_workers, threads, memory
        self._processes: dict[str, Any] = {}
        self._reasons: dict[str, str] = {}
        self._context: Any = None

    def free(self) -> int:
        """Return how many more processes may be started now.

        Returns
        -------
        A number of processes.
        """
        return self._n_workers - len(self._processes)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start a process per job.

        Parameters
        ----------
        jobs
            At most as many as :meth:`free` returns.
        """
        with _bare_main(), _few_threads(self._threads):
            if self._context is None:
                self._context = _context()
            for job in jobs:
                process = self._context.Process(target=_work, args=(job, self._threads), daemon=False)
                process.start()
                self._processes[job.task] = process

    def poll(self, timeout: float) -> list[Ended]:
        """Wait until a process ends.

        Parameters
        ----------
        timeout
            Longest time to wait, in seconds.

        Returns
        -------
        The jobs that have ended since the last call, if any.
        """
        self._watch_memory()
        pause = timeout if self._memory is None else min(timeout, _PAUSE)
        connection.wait([process.sentinel for process in self._processes.values()], pause)
        ended = []
        for task, process in list(self._processes.items()):
            if process.exitcode is not None:
                reason = self._reasons.pop(task, "") or _words(process.exitcode)
                ended.append(Ended(task, reason, {"pid": process.pid}))
                del self._processes[task]
                process.close()
        return ended

    def shrink(self) -> str:
        """Run half as many processes from now on, so that each has more memory.

        Returns
        -------
        Readable number of processes.
        """
        self._n_workers = max(1, self._n_workers // 2)
        return f"{self._n_workers} worker{'s' if self._n_workers > 1 else ''}"

    def cancel(self) -> None:
        """Terminate all processes, and wait until they have ended."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.join()
        self._processes.clear()

    def _watch_memory(self) -> None:
        """Kill the largest process if the memory limit is exceeded, before the system kills one."""
        if self._memory is None:
            return
        used = {task: _memory_of(process.pid) for task, process in self._processes.items() if process.is_alive()}
        if sum(used.values()) > self._memory:
            largest = max(used, key=used.__getitem__)
            n = len(used)
            self._reasons[largest] = (
                f"killed: {used[largest] / 1e9:.2f} GB of memory, of {self._memory / 1e9:.2f} GB for "
                f"{n} process{'es' if n > 1 else ''}"
            )
            self._processes[largest].kill()


def _work(job: Job, threads: int) -> None:
    """Run a task in this process, and end it."""
    # Ctrl-C is handled by the parent process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(threads)
    ending = run_task(job.out, job.task, plan=job.plan, heartbeat=job.heartbeat)
    raise SystemExit(EXIT_CODES[ending])


def _context() -> Any:
    """Start method of processes: forked from a server if the system supports it."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scpi.benchmark.grid._preload"])
    forkserver.ensure_running()
    return context


@contextmanager
def _few_threads(n: int) -> Iterator[None]:
    """Limit the threads of libraries in processes started within the block; they read the limit at import."""
    kept = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(n)))
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _bare_main() -> Iterator[None]:
    """Hide the main script: tasks do not need it, and processes would run it again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _words(code: int) -> str:
    """Describe how a process was terminated."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"killed by {name}"
    return "" if code in EXIT_CODES.values() else f"ended with exit code {code}"


def _memory_of(pid: int) -> int:
    """Memory of a process in bytes, excluding pages that it shares with its parent, if the system reports them."""
    for file, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = Path(f"/proc/{pid}/{file}").read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            continue
        if found := [line for line in lines if line.startswith(field)]:
            return 1024 * int(found[0].split()[1])
    return 0
