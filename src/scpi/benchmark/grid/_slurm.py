"""Jobs of a Slurm cluster, as an array of tasks."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from scpi.benchmark.grid._executor import Ended, Executor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scpi.benchmark.grid._executor import Job

_ENDED = re.compile(r"BOOT_FAIL|CANCELLED|COMPLETED|DEADLINE|FAILED|NODE_FAIL|OUT_OF_MEMORY|PREEMPTED|REVOKED|TIMEOUT")
# Exit codes of run-task for a failed task, and for a task of another process
_BY_ITSELF = ("COMPLETED", "FAILED")


class SlurmExecutor(Executor):
    """Submit tasks to Slurm as job arrays.

    The folder of the grid must be on a file system that the nodes share. Slurm requeues preempted jobs. The jobs
    continue if the submitting process ends.

    Parameters
    ----------
    limit
        Maximum number of concurrent jobs of an array; no limit if ``None``.
    cpus
        Number of cores of each job, which is the number of threads of a task.
    memory
        Memory of each job, such as ``"8G"``. It is doubled for jobs that are submitted after one was killed.
    time_limit
        Time limit of a job, such as ``"2:00:00"``.
    options
        Further options of ``sbatch``, such as ``{"partition": "gpu", "gres": "gpu:1"}``.
    poll_every
        Seconds between calls of ``squeue``.
    """

    def __init__(
        self,
        *,
        limit: int | None = None,
        cpus: int = 1,
        memory: str = "8G",
        time_limit: str | None = None,
        options: Mapping[str, str] | None = None,
        poll_every: float = 30.0,
    ) -> None:
        _times(memory, 1)
        self._limit, self._cpus, self._memory, self._time_limit = limit, cpus, memory, time_limit
        self._options, self._poll_every, self._factor = dict(options or {}), poll_every, 1
        # Task by job id: that of the array, and the index in it
        self._jobs: dict[str, str] = {}
        self._asked = 0.0

    def free(self) -> int:
        """Return how many more jobs may be submitted now.

        Returns
        -------
        A large number: Slurm queues them.
        """
        return sys.maxsize

    def submit(self, jobs: Sequence[Job]) -> None:
        """Submit job arrays, one for each group of models with the same options.

        Parameters
        ----------
        jobs
            Tasks of one grid.
        """
        for options, group in self.groups(jobs):
            folder = self._folder(group[0])
            folder.mkdir(exist_ok=True)
            stem = f"{int(time.time() * 1000):x}-{len(list(folder.glob('*.sh')))}"
            tasks, script = folder / f"{stem}.tasks", folder / f"{stem}.sh"
            tasks.write_text("".join(f"{job.task}\n" for job in group), encoding="ascii")
            script.write_text(self.script(group, tasks=tasks, options=options), encoding="utf-8")
            said = _call("sbatch", "--parsable", str(script))
            number = said.strip().partition(";")[0]
            self._jobs |= {f"{number}_{place}": job.task for place, job in enumerate(group)}

    def script(self, jobs: Sequence[Job], *, tasks: Path, options: Mapping[str, str]) -> str:
        """Return the script of a job array.

        Parameters
        ----------
        jobs
            Tasks of one grid.
        tasks
            File with the hash of a task in each line.
        options
            Options of ``sbatch`` of these jobs.

        Returns
        -------
        Text for ``sbatch``.
        """
        (first, *_), n = jobs, len(jobs)
        folder = self._folder(first)
        given = {
            "job-name": "scpi-grid",
            "array": f"0-{n - 1}{f'%{self._limit}' if self._limit else ''}",
            "cpus-per-task": str(self._cpus),
            **({"time": self._time_limit} if self._time_limit else {}),
            "output": str(folder / "%A_%a.log"),
            **self._options,
            **options,
        }
        given["mem"] = _times(given.get("mem", self._memory), self._factor)
        lines = [f"#SBATCH --{name}={value}" for name, value in given.items()]
        command = f"{quote(sys.executable)} -m scpi.cli benchmark run-task {quote(first.out)}"
        return "\n".join(
            [
                "#!/bin/bash",
                *lines,
                "#SBATCH --requeue",
                f"export OMP_NUM_THREADS={self._cpus} OPENBLAS_NUM_THREADS={self._cpus} MKL_NUM_THREADS={self._cpus}",
                f'task=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {quote(str(tasks))})',
                f'exec {command} "$task" --plan {first.plan} --heartbeat {first.heartbeat:g} --wait',
                "",
            ]
        )

    def poll(self, timeout: float) -> list[Ended]:
        """Poll Slurm for jobs that have ended.

        Parameters
        ----------
        timeout
            Longest time to wait, in seconds.

        Returns
        -------
        The jobs that have ended since the last call, if any.
        """
        if not self._jobs:
            return []
        if time.monotonic() - self._asked < self._poll_every:
            time.sleep(min(timeout, self._poll_every))
            return []
        self._asked = time.monotonic()
        arrays = ",".join(sorted({number.partition("_")[0] for number in self._jobs}))
        queued = {
            line.strip() for line in _call("squeue", "-h", "-r", "-o", "%i", "-j", arrays, ok=(0, 1)).splitlines()
        }
        gone = self._jobs.keys() - queued
        if not gone:
            return []
        said = _call("sacct", "-n", "-X", "-P", "-o", "JobID,State", "-j", arrays).splitlines()
        states = {number: state.partition(" ")[0] for number, _, state in (line.partition("|") for line in said)}
        ended = []
        for number in sorted(gone):
            state = states.get(number, "")
            # The accounting may lag behind the queue
            if _ENDED.match(state):
                reason = "" if state in _BY_ITSELF else f"ended by Slurm: {state}"
                ended.append(Ended(self._jobs.pop(number), reason, {"job": number}))
        return ended

    def shrink(self) -> str:
        """Double the memory of later jobs.

        Returns
        -------
        Readable amount of memory.
        """
        self._factor *= 2
        return f"{self._factor} times the memory"

    def cancel(self) -> None:
        """Cancel all jobs."""
        arrays = sorted({number.partition("_")[0] for number in self._jobs})
        self._jobs.clear()
        if arrays:
            _call("scancel", *arrays)

    def groups(self, jobs: Sequence[Job]) -> list[tuple[Mapping[str, str], list[Job]]]:
        """Group jobs with the same options, one array per group.

        Parameters
        ----------
        jobs
            Tasks of one grid.

        Returns
        -------
        Options of ``sbatch``, and the jobs with these options.
        """
        found: dict[tuple[tuple[str, str], ...], list[Job]] = {}
        for job in jobs:
            found.setdefault(tuple(sorted(job.resources.items())), []).append(job)
        return [(dict(options), group) for options, group in found.items()]

    def _folder(self, job: Job) -> Path:
        return Path(job.out) / "slurm"


def _call(name: str, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
    """Output of a command of Slurm; a `RuntimeError` contains its error message."""
    path = shutil.which(name)
    if path is None:
        msg = (
            f"There is no command {name!r} on the path: this needs a machine from which jobs can be submitted to Slurm."
        )
        raise FileNotFoundError(msg)
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in ok:
        msg = f"{name} failed ({done.returncode}): {' '.join(done.stderr.split())}"
        raise RuntimeError(msg)
    return done.stdout


def _times(memory: str, factor: int) -> str:
    """Multiply an amount of memory in the notation of Slurm; a `ValueError` if it is invalid."""
    found = re.fullmatch(r"(\d+)([KMGT]?)", memory)
    if found is None:
        msg = f"Memory must be a whole number with a unit, such as '8G', but is {memory!r}."
        raise ValueError(msg)
    return f"{factor * int(found[1])}{found[2]}"
