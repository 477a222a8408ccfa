"""The tasks of a grid, by hashes of everything that their results depend on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from scpi import __version__
from scpi._fingerprint import describe, fingerprint
from scpi._replace import replaced
from scpi._scoring._noise_ceiling import CEILING
from scpi.benchmark._guards._ways import GAMES
from scpi.benchmark.grid import _grid_model, _grid_split
from scpi.benchmark.grid._cells import read_labels, source_word
from scpi.benchmark.grid._contents import Contents
from scpi.benchmark.grid._divide import make_splits, visible_cells
from scpi.benchmark.grid._grid import Grid
from scpi.benchmark.grid._grid_model import GridModel, GridNull
from scpi.benchmark.grid._grid_task import GridTask, read_plan
from scpi.benchmark.grid._names import look_up
from scpi.benchmark.grid._problem import Problem, check_choice

if TYPE_CHECKING:
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_data import GridData
    from scpi.benchmark.grid._grid_split import GridFold, GridSplit

REFERENCES = (CEILING, GAMES)
"""Names of tasks without a model, which name their rows of the table themselves."""


@dataclass(frozen=True)
class Plan:
    """A grid and its tasks, as stored in a file of the folder."""

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
        """Hash of the plan. It includes paths of files, which may differ between machines that share the folder."""
        return fingerprint(self.text)

    def write(self, folder: Folder) -> None:
        """Store the plan, as the newest of the folder."""
        path = folder.plans / f"{self.word}.json"
        if path.is_file():
            os.utime(path)
            return
        with replaced(path) as scratch:
            scratch.write_text(self.text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Folder, word: str | None = None) -> Plan:
        """A plan of the folder, by default the newest; a `FileNotFoundError` if there is none."""
        _, content, tasks = read_plan(folder, word)
        return cls(Grid.from_dict(content["grid"]), content["words"], tasks)

    def find(self, task: str) -> GridTask | None:
        """The task with a hash, or with a unique prefix of it."""
        found = [one for one in self.tasks if one.hash.startswith(task)]
        return found[0] if len(found) == 1 else None


def make_plan(grid: Grid, folder: Folder) -> Plan:
    """List the tasks of a grid; only hashes of files and names of folds are stored in the folder, if it exists."""
    contents = Contents(folder.contents)
    words = {name: _located(source_word, data, contents, at=("data", name)) for name, data in grid.data.items()}
    variants = grid.variants()
    models = {name: _located(_model_word, model, at=("models", name)) for name, model in variants.items()}
    _check_models(variants, models)
    tasks = []
    for name, data in grid.data.items():
        scoring = _scoring_word(grid, data)
        for scheme, split in grid.splits.items():
            if not _is_for(split, name, scheme):
                continue
            of_split = divisions_word(data, words[name], split)
            folds = _located(_folds, data, split, words[name], of_split, folder, at=("splits", scheme))
            there = [model for model in models if _is_for(variants[model], name, scheme)]
            wanted = {m: dict.fromkeys(folds, models[m]) | _tuned(m, variants[m], name, scheme, folds) for m in there}
            wanted |= {CEILING: dict.fromkeys(folds, "")} if grid.ceiling else {}
            wanted |= {GAMES: dict.fromkeys(folds, GAMES)} if grid.gaming else {}
            tasks += [
                GridTask(
                    fingerprint([__version__, of_split, fold, title, scoring, seed, of_model[title]]),
                    *(name, scheme, fold, title, model, seed),
                )
                for fold, title in enumerate(folds)
                for seed in grid.seeds
                for model, of_model in wanted.items()
            ]
    if not tasks:
        raise Problem("there is no task: no split and model apply to the same data.")
    _check_unique(tasks)
    return Plan(grid, words, tuple(tasks))


def _scoring_word(grid: Grid, data: GridData) -> str:
    """Hash of the task of the models, and of its scoring."""
    shared = [grid.metrics, grid.n_cells, grid.n_components, grid.exclude_targets, grid.keep_predictions]
    # Predictions keep the hashes from before there were other tasks
    return fingerprint(shared if grid.task == "prediction" else [*shared, grid.task, data.group_key])


def divisions_word(data: GridData, word: str, split: GridSplit) -> str:
    """Hash of all folds of a split of data, which have separate hashes."""
    of_data = fingerprint([word, data.normalise, data.setup, data.layer])
    return fingerprint([of_data, _split_word(split)])


def _is_for(entry: GridSplit | GridModel, data: str, scheme: str) -> bool:
    """Whether a split or model applies to some data, and a model to a split of them."""
    splits = entry.splits if isinstance(entry, GridModel) else None
    return (entry.data is None or data in entry.data) and (splits is None or scheme in splits)


def _folds(data: GridData, split: GridSplit, word: str, of_split: str, folder: Folder) -> list[str]:
    """Names of the folds, from the folder if they are known there."""
    path = folder.folds / f"{of_split}.json"
    if path.is_file():
        known: list[str] = json.loads(path.read_text(encoding="utf-8"))
        return known
    names = [one.name for one in make_splits(data, split, visible_cells(data, split, read_labels(data, word, folder)))]
    if folder.root.is_dir():
        with replaced(path) as scratch:
            scratch.write_text(json.dumps(names), encoding="utf-8")
    return names


def _model_word(model: GridModel) -> str:
    names = ("layer", "setup", "init", "train", "predict", "validation_size")
    name = str(model.model)
    code = describe(look_up(name, _grid_model.ROOM)) if ":" in name else name
    null = ["matched null"] if isinstance(model, GridNull) else []
    return fingerprint([code, {key: getattr(model, key) for key in names}, *null])


def _tuned(name: str, model: GridModel, data: str, scheme: str, folds: list[str]) -> dict[str, str]:
    """Hashes of a model on folds with separate settings."""
    found = {}
    for place, one in enumerate(model.tuned):
        if (one.data, one.scheme) == (data, scheme):
            check_choice(one.split, folds, "fold", "models", name, "tuned", place, "split")
            on = model.settings_on(data=data, scheme=scheme, split=one.split)
            # Differs from the model itself with the same settings, which a grid may contain too
            found[one.split] = fingerprint(["tuned", _model_word(on)])
    return found


def _split_word(split: GridSplit) -> str:
    inside = [] if split.inside is None else [split.inside.fold, *_function_words(split.inside)]
    return fingerprint([__version__, *_function_words(split), *inside])


def _function_words(split: GridSplit | GridFold) -> list[Any]:
    name = str(split.by)
    return [describe(look_up(name, _grid_split.ROOM)) if ":" in name else name, dict(split.arguments)]


def _check_models(models: dict[str, GridModel], words: dict[str, str]) -> None:
    """Refuse models that are the same on the same data and splits."""
    seen: dict[str, str] = {}
    for name, model in models.items():
        tuned = [asdict(one) for one in model.tuned]
        first = seen.setdefault(fingerprint([words[name], tuned, model.data, model.splits]), name)
        if first != name:
            raise Problem(f"is the same model with the same settings as {first!r}.", "models", name)


def _check_unique(tasks: list[GridTask]) -> None:
    """Refuse data or splits that are given twice under two names."""
    seen: dict[str, GridTask] = {}
    for task in tasks:
        if (other := seen.setdefault(task.hash, task)) is not task:
            raise Problem(f"is the same as {other.title!r}: remove one of them.", "splits", task.scheme)


def _located(function: Any, *arguments: Any, at: tuple[str, str]) -> Any:
    """Result of a function; errors name the entry of the grid."""
    try:
        return function(*arguments)
    except FileNotFoundError as error:
        raise Problem(str(error), *at) from error
    except (KeyError, ValueError, TypeError, ImportError, AttributeError) as error:
        words = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise Problem(" ".join(str(words).split()), *at) from error
