"""What tuning found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from scpi.benchmark.grid._grid import Grid


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """What was found for a model on one division of some data."""

    model: str
    """Name of the model."""
    data: str
    """Name of the data."""
    scheme: str
    """Name of the split."""
    split: str
    """What the division leaves out. None of these cells were read."""
    name: str
    """Name of the study in the storage."""
    counts: dict[str, int]
    """Number of settings by what came of them: ``complete``, ``pruned``, ``fail`` or ``running``."""
    front: tuple[dict[str, Any], ...]
    """Settings than which no other is better in all objectives, with ``trial``, ``settings`` and ``values`` (means over the
    inner divisions). The first is taken: with several objectives, the one with the least sum of ranks."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TuningResult:
    """What :func:`scpi.benchmark.grid.tune` found."""

    out: Path
    """Folder of the results."""
    storage: str
    """Address of the studies, for ``optuna-dashboard``."""
    studies: tuple[StudyResult, ...]
    """One for each model on each division."""
    grid: Grid
    """The grid with the models as they were, and as they were tuned: the settings of a division come from its training cells."""
    file: Path
    """That grid as a YAML file."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data of what was found, as JSON can hold it.

        Returns
        -------
        Where the results are, and what was found for each model on each division.
        """
        shared = {"out": str(self.out), "storage": self.storage, "grid": str(self.file)}
        return shared | {"studies": [asdict(one) | {"front": list(one.front)} for one in self.studies]}
