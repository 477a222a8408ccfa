"""What runs the tasks of a grid: processes here, or jobs elsewhere."""

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
    """Seconds between two signs of life."""
    resources: Mapping[str, str]
    """What the model of the task needs on a cluster."""


class Ended(NamedTuple):
    """A job that has ended. What became of its task stands in the folder of the grid."""

    task: str
    """Hash of the task."""
    reason: str
    """How it ended, where it was ended from outside; empty otherwise."""
    owner: Mapping[str, Any] = MappingProxyType({})
    """What its attempt says of the one that began it: the number of a process, or of a job."""


class Executor(ABC):
    """What runs tasks. Results are on disk; an executor only knows which jobs have ended."""

    @abstractmethod
    def free(self) -> int:
        """Find how many more jobs may be submitted now.

        Returns
        -------
        A number of jobs.
        """

    @abstractmethod
    def submit(self, jobs: Sequence[Job]) -> None:
        """Begin jobs.

        Parameters
        ----------
        jobs
            At most as many as are free.
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
        """Give later jobs more of the machine each, after one was killed.

        Returns
        -------
        What jobs have from now on, for a reader.
        """

    @abstractmethod
    def cancel(self) -> None:
        """End all jobs, and wait until they have ended."""
