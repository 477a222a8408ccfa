"""Interface of the executors of a grid: local processes, or jobs elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True)
class Job:
    """A task to run, with the arguments of :func:`scpi.benchmark.grid.run_task`."""

    out: str
    """Folder of the grid."""
    task: str
    """Hash of the task."""
    plan: str
    """Hash of the plan."""
    heartbeat: float
    """Seconds between heartbeats."""
    resources: Mapping[str, str]
    """Resources that the model of the task needs on a cluster."""


class Ended(NamedTuple):
    """A job that has ended. The folder of the grid contains the state of its task."""

    task: str
    """Hash of the task."""
    reason: str
    """How it was terminated; empty if it ended by itself."""
    owner: Mapping[str, Any] = MappingProxyType({})
    """Identifier of the process or job that started the attempt."""


class Executor(ABC):
    """Runs tasks. Results are on disk; an executor reports only which jobs have ended."""

    @abstractmethod
    def free(self) -> int:
        """Return how many more jobs may be submitted now.

        Returns
        -------
        A number of jobs.
        """

    @abstractmethod
    def submit(self, jobs: Sequence[Job]) -> None:
        """Start jobs.

        Parameters
        ----------
        jobs
            At most as many as :meth:`free` returns.
        """

    @abstractmethod
    def poll(self, timeout: float) -> list[Ended]:
        """Wait until a job ends.

        Parameters
        ----------
        timeout
            Longest time to wait, in seconds.

        Returns
        -------
        The jobs that have ended since the last call, if any.
        """

    @abstractmethod
    def shrink(self) -> str:
        """Give each later job more resources, after one was killed.

        Returns
        -------
        Readable resources of later jobs.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Terminate all jobs, and wait until they have ended."""
