"""Tasks of a grid, and the file that lists them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from scpi.benchmark.grid._folder import Folder


class GridTask(NamedTuple):
    """A task of a grid: a model, the noise ceiling, or the ways to game a score, on one division of some data with a seed."""

    hash: str
    """Hash of all that the result depends on."""
    data: str
    """Name of the data."""
    scheme: str
    """Name of the function that divides them."""
    fold: int
    """Which of its divisions it is."""
    split: str
    """What that division leaves out."""
    model: str
    """Name of the model, or of the reference."""
    seed: int
    """Seed of the weights, the training and the draws."""

    @property
    def title(self) -> str:
        """Name for a reader."""
        return f"{self.model}, {self.data}, {self.scheme} {self.split}, seed {self.seed}"


def read_plan(folder: Folder, word: str | None = None) -> tuple[str, dict[str, Any], tuple[GridTask, ...]]:
    """Hash, content and tasks of a plan of the folder, the newest if it is not named; a `FileNotFoundError` if there is none.

    The grid in it is plain data: where tasks stand is known without the libraries that check it.
    """
    there = sorted(folder.plans.glob("*.json"), key=lambda path: path.stat().st_mtime)
    found = there[-1:] if word is None else [path for path in there if path.stem == word]
    if not found:
        msg = f"{str(folder.root)!r} holds no grid: `scpi benchmark run GRID --out FOLDER` makes one."
        raise FileNotFoundError(msg)
    content: dict[str, Any] = json.loads(found[0].read_text(encoding="utf-8"))
    return found[0].stem, content, tuple(GridTask(*row) for row in content["tasks"])
