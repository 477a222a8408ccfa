"""The tasks of a grid, by hashes of all that their results depend on."""

from __future__ import annotations

import inspect
import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from scpi import __version__
from scpi._fingerprint import describe, fingerprint
from scpi._replace import replaced
from scpi._scoring._noise_ceiling import CEILING
from scpi.benchmark.grid import _grid_model, _grid_split
from scpi.benchmark.grid._cells import read_labels, source_word
from scpi.benchmark.grid._contents import Contents
from scpi.benchmark.grid._grid import Grid
from scpi.benchmark.grid._grid_task import GridTask, read_plan
from scpi.benchmark.grid._names import look_up
from scpi.benchmark.grid._problem import Problem

if TYPE_CHECKING:
    from anndata import AnnData

    from scpi._screen._split import Split
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_data import GridData
    from scpi.benchmark.grid._grid_model import GridModel
    from scpi.benchmark.grid._grid_split import GridSplit


@dataclass(frozen=True)
class Plan:
    """A grid and its tasks, as a file of the folder keeps them."""

    grid: Grid
    words: dict[str, str]
    """Hash of each of the data."""
    tasks: tuple[GridTask, ...]

    @cached_property
    def text(self) -> str:
        """The plan as JSON."""
        content = {"grid": self.grid.to_dict(), "words": self.words, "tasks": self.tasks}
        return json.dumps(content, indent=None)

    @cached_property
    def word(self) -> str:
        """Hash of the plan, which also knows where files are: machines that share the folder may have them elsewhere."""
        return fingerprint(self.text)

    def write(self, folder: Folder) -> None:
        """Keep the plan, as the newest of the folder."""
        path = folder.plans / f"{self.word}.json"
        if path.is_file():
            os.utime(path)
            return
        with replaced(path) as scratch:
            scratch.write_text(self.text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Folder, word: str | None = None) -> Plan:
        """A plan of the folder, the newest one if it is not named; a `FileNotFoundError` if there is none."""
        _, content, tasks = read_plan(folder, word)
        return cls(Grid.from_dict(content["grid"]), content["words"], tasks)

    def find(self, task: str) -> GridTask | None:
        """The task of a hash, or of its beginning if no other begins like this."""
        found = [one for one in self.tasks if one.hash.startswith(task)]
        return found[0] if len(found) == 1 else None


def make_plan(grid: Grid, folder: Folder) -> Plan:
    """List the tasks of a grid; only hashes of files and names of folds are kept in the folder, if it exists."""
    contents = Contents(folder.contents)
    words = {name: _located(source_word, data, contents, at=("data", name)) for name, data in grid.data.items()}
    variants = grid.variants()
    models = {name: _located(_model_word, model, at=("models", name)) for name, model in variants.items()}
    for name, word in models.items():
        first = next(other for other, known in models.items() if known == word)
        if first != name:
            raise Problem(f"is the same model with the same settings as {first!r}.", "models", name)
    scoring = fingerprint([grid.metrics, grid.n_cells, grid.n_components, grid.exclude_targets, grid.keep_predictions])
    tasks = []
    for name, data in grid.data.items():
        of_data = fingerprint([words[name], data.normalise, data.setup, data.layer])
        for scheme, split in grid.splits.items():
            if not _is_for(split, name):
                continue
            of_split = fingerprint([of_data, _split_word(split)])
            folds = _located(_folds, data, split, words[name], of_split, folder, at=("splits", scheme))
            wanted = {m: word for m, word in models.items() if _is_for(variants[m], name)}
            wanted |= {CEILING: ""} if grid.ceiling else {}
            tasks += [
                GridTask(
                    fingerprint([__version__, of_split, fold, title, scoring, seed, word]),
                    *(name, scheme, fold, title, model, seed),
                )
                for fold, title in enumerate(folds)
                for seed in grid.seeds
                for model, word in wanted.items()
            ]
    if not tasks:
        raise Problem("there is no task: no split and model is for the same data.")
    _check_unique(tasks)
    return Plan(grid, words, tuple(tasks))


def make_splits(data: GridData, split: GridSplit, adata: AnnData) -> list[Split]:
    """All divisions that a split of a grid makes of cells."""
    function = look_up(str(split.by), _grid_split.ROOM)
    taken = inspect.signature(function).parameters
    labels = {name: value for name, value in data.setup.items() if name in taken}
    for name, value in labels.items():
        if value is None and taken[name].default is inspect.Parameter.empty:
            msg = f"{split.by} needs `{name}`, which is an entry of the data."
            raise ValueError(msg)
    found: list[Split] = function(adata, **(labels | dict(split.arguments)))
    return found


def _is_for(entry: GridSplit | GridModel, data: str) -> bool:
    """Whether a split or model is for some data."""
    return entry.data is None or data in entry.data


def _folds(data: GridData, split: GridSplit, word: str, of_split: str, folder: Folder) -> list[str]:
    """Names of the divisions, from the folder if they are known there."""
    path = folder.folds / f"{of_split}.json"
    if path.is_file():
        known: list[str] = json.loads(path.read_text(encoding="utf-8"))
        return known
    names = [one.name for one in make_splits(data, split, read_labels(data, word, folder))]
    if folder.root.is_dir():
        with replaced(path) as scratch:
            scratch.write_text(json.dumps(names), encoding="utf-8")
    return names


def _model_word(model: GridModel) -> str:
    names = ("layer", "setup", "init", "train", "predict", "validation_size")
    name = str(model.model)
    code = describe(look_up(name, _grid_model.ROOM)) if ":" in name else name
    return fingerprint([code, {key: getattr(model, key) for key in names}])


def _split_word(split: GridSplit) -> str:
    name = str(split.by)
    code = describe(look_up(name, _grid_split.ROOM)) if ":" in name else name
    return fingerprint([__version__, code, dict(split.arguments)])


def _check_unique(tasks: list[GridTask]) -> None:
    """Refuse data or splits that are given twice under two names."""
    seen: dict[str, GridTask] = {}
    for task in tasks:
        if (other := seen.setdefault(task.hash, task)) is not task:
            raise Problem(f"the same as {other.title!r}: one of the two is enough.", "splits", task.scheme)


def _located(function: Any, *arguments: Any, at: tuple[str, str]) -> Any:
    """What a function returns; what is wrong with its entry of the grid is said with the name of the entry."""
    try:
        return function(*arguments)
    except FileNotFoundError as error:
        raise Problem(str(error), *at) from error
    except (KeyError, ValueError, TypeError, ImportError, AttributeError) as error:
        words = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise Problem(" ".join(str(words).split()), *at) from error
