"""A benchmark as a grid: data x splits x models x seeds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scpi._scoring._bounds import NEGATIVE, POSITIVE, UNCHANGED
from scpi._scoring._conventions import EXCLUDE_TARGETS, N_CELLS, N_COMPONENTS
from scpi._scoring._noise_ceiling import CEILING, PERFECT
from scpi.benchmark._guards._ways import GAMES
from scpi.benchmark.grid._grid_data import GridData
from scpi.benchmark.grid._grid_model import GridModel, GridNull
from scpi.benchmark.grid._grid_split import GridSplit
from scpi.benchmark.grid._grid_tuning import GridTuning
from scpi.benchmark.grid._kinds._kind import KINDS
from scpi.benchmark.grid._problem import Problem, check_choice, check_type, plain
from scpi.benchmark.grid._record import built, without_defaults
from scpi.benchmark.grid._yaml import read_yaml


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A benchmark of every model on every split of all data with every seed; each combination is a task."""

    data: Mapping[str, GridData]
    """Data by their names in the tables."""
    splits: Mapping[str, GridSplit]
    """Functions that split the cells, by name."""
    models: Mapping[str, GridModel]
    """Models by name: :class:`GridModel`, or a class or its name for models without settings."""
    task: str = "prediction"
    """Task of the models: ``"prediction"`` of held-out conditions, ``"clustering"`` of cells with known groups, or
    ``"programs"``, recovery of known gene programs by units."""
    metrics: str | Sequence[str] | None = "honest"
    """Names of metrics of the task, or of presets of these; all if ``None``."""
    seeds: Sequence[int] = (0, 1, 2)
    """Seeds; each model is trained once per seed."""
    ceiling: bool | None = None
    """Whether to add a task for the noise ceiling of each split and the bounds of its metrics; if ``None``, for
    predictions."""
    gaming: bool = False
    """Whether to add a task for the known ways to game a score on each split, as rows of the table."""
    n_cells: int = N_CELLS
    """Maximum number of cells to predict per condition, and of measured, predicted or control cells in metrics of
    cells."""
    n_components: int | None = N_COMPONENTS
    """Number of principal components for distances between cells; genes if ``None``."""
    exclude_targets: bool = EXCLUDE_TARGETS
    """Whether to exclude genes named in the label of a condition from its score."""
    keep_predictions: bool = False
    """Whether to store the predicted cells too."""
    tuning: GridTuning | None = None
    """Options of :func:`scpi.benchmark.grid.tune` for models that have ``tune``."""

    def __post_init__(self) -> None:
        models = {
            name: model if isinstance(model, GridModel | Mapping) else {"model": model}
            for name, model in _mapping(self.models, "models").items()
        }
        for name, entries, cls in (
            ("data", _mapping(self.data, "data"), GridData),
            ("splits", _mapping(self.splits, "splits"), GridSplit),
            ("models", models, GridModel),
        ):
            object.__setattr__(self, name, {key: built(cls, entry, name, key) for key, entry in entries.items()})
        check_choice(self.task, KINDS, "task", "task")
        kind = KINDS[self.task]
        try:
            object.__setattr__(self, "metrics", kind.check_metrics(self.metrics))
        except ValueError as error:
            raise Problem(str(error), "metrics") from None
        seeds = [self.seeds] if isinstance(self.seeds, int) else self.seeds
        check_type(seeds, (list, tuple), "a list of whole numbers", "seeds")
        object.__setattr__(self, "seeds", list(dict.fromkeys(seeds)))
        for place, seed in enumerate(self.seeds):
            check_type(seed, int, "a whole number", "seeds", place)
        if not self.seeds:
            raise Problem("is empty: give at least one.", "seeds")
        if self.ceiling is None:
            object.__setattr__(self, "ceiling", kind.has_references)
        for name in ("ceiling", "gaming", "exclude_targets", "keep_predictions"):
            check_type(getattr(self, name), bool, "true or false", name)
        check_type(self.n_cells, int, "a whole number", "n_cells")
        check_type(self.n_components, (int, type(None)), "a whole number or null", "n_components")
        if self.tuning is not None:
            object.__setattr__(self, "tuning", built(GridTuning, self.tuning, "tuning"))
        if not kind.has_references:
            for name in ("ceiling", "gaming", "keep_predictions", "tuning"):
                if getattr(self, name):
                    raise Problem(f"is for predictions, and the task is {self.task!r}.", name)
            for name, model in self.models.items():
                for what in ("tune", "validation_size", "matched_null"):
                    if getattr(model, what):
                        raise Problem(f"is for predictions, and the task is {self.task!r}.", "models", name, what)
        self._check_references()

    def _check_references(self) -> None:
        """Check the names of data in entries, and that names of models are free in the tables."""
        for kind, entries in (("splits", self.splits), ("models", self.models)):
            for key, entry in entries.items():
                for place, name in enumerate(entry.data or ()):
                    check_choice(name, self.data, "data", kind, key, "data", place)
        for key, model in self.models.items():
            for place, name in enumerate(model.splits or ()):
                check_choice(name, self.splits, "split", "models", key, "splits", place)
            for place, one in enumerate(model.tuned):
                check_choice(one.data, self.data, "data", "models", key, "tuned", place, "data")
                check_choice(one.scheme, self.splits, "split", "models", key, "tuned", place, "scheme")
        for name in self.tuning.inner if self.tuning else ():
            check_choice(name, self.splits, "split", "tuning", "inner", name)
        variants = [pair for name, model in self.models.items() for pair in model.variants(name).items()]
        nulls = {name for name, model in variants if isinstance(model, GridNull)}
        for name in self.models:
            if name in nulls:
                raise Problem("names the matched null of another model: take another name.", "models", name)
            if self.ceiling and name in (CEILING, PERFECT, POSITIVE, NEGATIVE, UNCHANGED):
                raise Problem(
                    "names a row of the noise ceiling: take another name, or 'ceiling: false'.", "models", name
                )
            if name == GAMES:
                raise Problem("names the task of the ways to game a score: take another name.", "models", name)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Grid:
        """Read a grid from a YAML file.

        Parameters
        ----------
        path
            The file. Paths of data in it are relative to its folder, and may begin with an environment variable (``$DATA/kang.h5ad``).

        Returns
        -------
        The grid.

        Raises
        ------
        FileNotFoundError
            If the file does not exist.
        ValueError
            If the file is not YAML, or an entry is invalid; the message gives its line.
        """
        path = Path(path).expanduser()
        if not path.is_file():
            msg = f"There is no file {str(path)!r}."
            raise FileNotFoundError(msg)
        value, lines = read_yaml(path.read_text(encoding="utf-8"), str(path))
        try:
            return cls.from_dict(value, folder=path.parent)
        except Problem as problem:
            raise problem.in_file(str(path), lines) from None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], *, folder: str | os.PathLike[str] = ".") -> Grid:
        """Create a grid from plain data, such as the content of a YAML file.

        Parameters
        ----------
        value
            Entries by name of the attribute.
        folder
            Folder to which paths of data are relative.

        Returns
        -------
        The grid.

        Raises
        ------
        ValueError
            If an entry is invalid; the message names it.
        """
        if isinstance(value, Mapping) and isinstance(value.get("data"), Mapping):
            data = {key: _from_folder(entry, Path(folder)) for key, entry in value["data"].items()}
            value = {**value, "data": data}
        return built(cls, value)

    def to_dict(self, *, compact: bool = False) -> dict[str, Any]:
        """Convert the grid to plain data for JSON and YAML.

        Parameters
        ----------
        compact
            Whether to omit entries with default values.

        Returns
        -------
        Entries by name of the attribute.
        """
        result: dict[str, Any] = plain(without_defaults(self) if compact else asdict(self))
        return result

    def variants(self) -> dict[str, GridModel]:
        """Return all models, with one per combination of varied settings, and matched nulls.

        Returns
        -------
        Models by name.
        """
        return {title: one for name, model in self.models.items() for title, one in model.variants(name).items()}


def _from_folder(entry: Any, folder: Path) -> Any:
    """Plain data of an entry, with its path, if any, resolved relative to a folder."""
    if isinstance(entry, Mapping) and isinstance(entry.get("file"), str):
        return {**entry, "file": str(folder / Path(os.path.expandvars(entry["file"])).expanduser())}
    return entry


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    """Entries by name; there must be at least one."""
    check_type(value, Mapping, "a mapping of names and entries", name)
    if not value:
        raise Problem("is empty: give at least one entry.", name)
    for key in value:
        check_type(key, str, "text, in quotes", name, str(key))
    return dict(value)
