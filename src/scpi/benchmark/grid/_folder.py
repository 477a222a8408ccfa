"""Layout of the folder of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Folder:
    """Paths below the folder of a grid, which several machines may share."""

    root: Path

    @cached_property
    def tasks(self) -> Path:
        """A folder per finished task, by its hash."""
        return self.root / "tasks"

    @cached_property
    def attempts(self) -> Path:
        """A file per attempt at a task, which its process keeps alive."""
        return self.root / "attempts"

    @cached_property
    def failed(self) -> Path:
        """A folder per attempt that failed."""
        return self.root / "failed"

    @cached_property
    def scratch(self) -> Path:
        """A folder per attempt that is at work."""
        return self.root / "scratch"

    @cached_property
    def plans(self) -> Path:
        """A file per plan of tasks."""
        return self.root / "plans"

    @cached_property
    def data(self) -> Path:
        """Cells of loaders and simulators, which all tasks read."""
        return self.root / "data"

    @cached_property
    def folds(self) -> Path:
        """Names of the divisions that a split makes of the data."""
        return self.root / "folds"

    @cached_property
    def leaks(self) -> Path:
        """Leaks of each division, by the hash of the division."""
        return self.root / "leaks"

    @cached_property
    def contents(self) -> Path:
        """Hashes of files of data, by size and time of change."""
        return self.root / "contents.json"

    def make(self) -> None:
        """Make the folders that a run writes to."""
        for path in (self.tasks, self.attempts, self.failed, self.scratch):
            path.mkdir(parents=True, exist_ok=True)

    def is_finished(self, task: str) -> bool:
        """Whether the result of a task is there: other programs may make an empty folder for it."""
        return (self.tasks / task / "metrics.parquet").is_file()

    def attempt(self, task: str, number: int) -> Path:
        """File of an attempt."""
        return self.attempts / f"{task}.{number}"

    def has_failed(self, task: str, number: int) -> bool:
        """Whether an attempt ended without a result, and said why."""
        return (self.failed / f"{task}.{number}").is_dir()

    def n_attempts(self, task: str) -> int:
        """Number of the latest attempt at a task; 0 if there was none."""
        number = 0
        while self.attempt(task, number + 1).exists():
            number += 1
        return number
