"""Workers of a Dask cluster."""

from __future__ import annotations

import os
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from scpi._optional import import_extra
from scpi.benchmark.grid._executor import Ended, Executor
from scpi.benchmark.grid._host import machine, named_job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpi.benchmark.grid._executor import Job

_LONGEST_NOTE = 300
# Seconds between requests to the scheduler
_LOOK = 5.0
# A training uses seeds and logs of the whole process: a worker with several threads runs one task at a time
_ALONE = threading.Lock()


class DaskExecutor(Executor):
    """Run tasks on the workers of a Dask cluster, one at a time per worker process.

    The folder of the grid must be on a file system that the workers share, and scpi must be installed there. Dask
    transfers only the hash of a task; results are written to the folder. Running tasks continue if the submitting
    process ends.

    Parameters
    ----------
    client
        A ``distributed.Client``, or the address of a scheduler.
    threads
        Number of threads of PyTorch in each worker. The last digits of sums depend on it, so that it affects
        reproducibility. Dask sets the threads of other libraries to 1 when it starts a worker.
    limit
        Maximum number of concurrent tasks; the number of workers if ``None``.

    Raises
    ------
    ImportError
        If distributed is missing.
    """

    def __init__(self, client: Any, *, threads: int = 1, limit: int | None = None) -> None:
        distributed = import_extra("distributed")
        if threads < 1 or (limit is not None and limit < 1):
            msg = f"`threads` ({threads}) and `limit` ({limit}) must be positive."
            raise ValueError(msg)
        self._client = distributed.Client(client) if isinstance(client, str) else client
        self._threads, self._limit = threads, limit
        self._futures: dict[str, Any] = {}
        self._n_workers, self._asked = 0, 0.0

    def free(self) -> int:
        """Return how many more tasks may be submitted now, as workers may come and go.

        Returns
        -------
        A number of tasks.
        """
        if time.monotonic() - self._asked > _LOOK or not self._n_workers:
            self._n_workers = len(self._client.nthreads())
            self._asked = time.monotonic()
        most = self._n_workers if self._limit is None else min(self._limit, self._n_workers)
        return max(0, most - len(self._futures))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Submit a task per job.

        Parameters
        ----------
        jobs
            At most as many as :meth:`free` returns.
        """
        for job in jobs:
            key = f"scpi-{job.task}-{uuid.uuid4().hex[:8]}"
            here = (machine(), os.getpid())
            self._futures[job.task] = self._client.submit(
                _work, job, key, self._threads, here, key=key, pure=False, retries=0
            )

    def poll(self, timeout: float) -> list[Ended]:
        """Wait until a task ends.

        Parameters
        ----------
        timeout
            Longest time to wait, in seconds.

        Returns
        -------
        The jobs that have ended since the last call, if any.
        """
        distributed = import_extra("distributed")
        if self._futures and timeout:
            try:
                distributed.wait(list(self._futures.values()), timeout=timeout, return_when="FIRST_COMPLETED")
            except (TimeoutError, distributed.TimeoutError):
                return []
        ended = []
        for task, future in list(self._futures.items()):
            if future.done():
                ended.append(Ended(task, _words(future), {"job": future.key}))
                del self._futures[task]
                future.release()
        return ended

    def shrink(self) -> str:
        """Run half as many tasks from now on, so that each has more memory if workers share a machine.

        Returns
        -------
        Readable number of workers.
        """
        most = self._n_workers if self._limit is None else self._limit
        self._limit = max(1, most // 2)
        return f"{self._limit} worker{'s' if self._limit > 1 else ''}"

    def cancel(self) -> None:
        """Cancel all tasks that no worker has started; running tasks finish, and their results are kept."""
        self._client.cancel(list(self._futures.values()))
        self._futures.clear()


def _work(job: Job, key: str, threads: int, submitter: tuple[str, int]) -> str:
    """Run a task in this process."""
    import torch

    from scpi.benchmark.grid._run_task import run_task

    with _ALONE, named_job(key):
        torch.set_num_threads(threads)
        # A worker thread in the submitting process does not redirect the output of that process
        own_process = submitter != (machine(), os.getpid())
        return run_task(job.out, job.task, plan=job.plan, heartbeat=job.heartbeat, log=own_process)


def _words(future: Any) -> str:
    """Describe how a task was terminated."""
    if future.status == "finished":
        return ""
    if future.status == "error":
        error = future.exception()
        return f"ended by Dask: {type(error).__name__}: {' '.join(str(error).split())}"[:_LONGEST_NOTE]
    return f"ended by Dask: {future.status}"
