"""Results of tuning."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from scpi.benchmark.grid._grid import Grid


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """Result for a model on one fold of some data."""

    model: str
    """Name of the model."""
    data: str
    """Name of the data."""
    scheme: str
    """Name of the split."""
    split: str
    """Name of the fold: what it holds out. The held-out cells were not read."""
    name: str
    """Name of the study in the storage."""
    counts: dict[str, int]
    """Number of trials by state: ``complete``, ``pruned``, ``fail`` or ``running``."""
    front: tuple[dict[str, Any], ...]
    """Pareto-optimal trials, with ``trial``, ``settings`` and ``values`` (means over the inner folds). The first one is
    used: with several objectives, the one with the smallest sum of ranks."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TuningResult:
    """Results of :func:`scpi.benchmark.grid.tune`."""

    out: Path
    """Folder of the results."""
    storage: str
    """Address of the studies, for ``optuna-dashboard``."""
    studies: tuple[StudyResult, ...]
    """One result per model and fold."""
    grid: Grid
    """The grid with untuned and tuned models; the settings of a fold come from its training cells."""
    file: Path
    """That grid as a YAML file."""

    def to_dict(self) -> dict[str, Any]:
        """Convert the results to plain data for JSON.

        Returns
        -------
        Location of the results, and the result for each model on each fold.
        """
        shared = {"out": str(self.out), "storage": self.storage, "grid": str(self.file)}
        return shared | {"studies": [asdict(one) | {"front": list(one.front)} for one in self.studies]}
