"""Tasks of a grid, and the file that lists them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from scpi.benchmark.grid._folder import Folder


class GridTask(NamedTuple):
    """A task of a grid: a model, the noise ceiling, or ways to game a score, on one fold of some data with a seed."""

    hash: str
    """Hash of everything that the result depends on."""
    data: str
    """Name of the data."""
    scheme: str
    """Name of the split function."""
    fold: int
    """Index of the fold."""
    split: str
    """Name of the fold: what it holds out."""
    model: str
    """Name of the model, or of the reference."""
    seed: int
    """Seed of the weights, the training and the draws."""

    @property
    def title(self) -> str:
        """Readable name."""
        return f"{self.model}, {self.data}, {self.scheme} {self.split}, seed {self.seed}"


def read_plan(folder: Folder, word: str | None = None) -> tuple[str, dict[str, Any], tuple[GridTask, ...]]:
    """Hash, content and tasks of a plan of the folder, by default the newest; a `FileNotFoundError` if there is none.

    The grid in it is plain data, so that the status of tasks needs no libraries that check the grid.
    """
    there = sorted(folder.plans.glob("*.json"), key=lambda path: path.stat().st_mtime)
    found = there[-1:] if word is None else [path for path in there if path.stem == word]
    if not found:
        msg = f"{str(folder.root)!r} holds no grid: `scpi benchmark run GRID --out FOLDER` makes one."
        raise FileNotFoundError(msg)
    content: dict[str, Any] = json.loads(found[0].read_text(encoding="utf-8"))
    return found[0].stem, content, tuple(GridTask(*row) for row in content["tasks"])
