"""Models of a grid, and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from scpi.benchmark.grid._names import name_of
from scpi.benchmark.grid._problem import Problem, check_choice, check_plain, check_type
from scpi.benchmark.grid._record import built
from scpi.benchmark.grid._tuning._space import check_space

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOM = "scpi.model"
"""Module in which models are looked up."""
_SECTIONS = ("setup", "init", "train", "predict")


@dataclass(frozen=True, kw_only=True)
class GridTuned:
    """Settings of a model on one fold of some data, as found by :func:`scpi.benchmark.grid.tune`."""

    data: str
    """Name of the data."""
    scheme: str
    """Name of the split."""
    split: str
    """Name of the fold: what it holds out."""
    settings: Mapping[str, Any]
    """Values by name of the setting, such as ``{"train.lr": 1e-3}``."""

    def __post_init__(self) -> None:
        for name in ("data", "scheme", "split"):
            check_type(getattr(self, name), str, "a name", name)
        check_type(self.settings, Mapping, "a mapping of names and values", "settings")
        check_plain(self.settings, "settings")
        for key in self.settings:
            _check_setting(key, "settings", key)


@dataclass(frozen=True, kw_only=True)
class GridModel:
    """A model of a grid, with the arguments of its methods: as :class:`scpi.benchmark.ModelSpec`, but by name."""

    model: Any
    """Name of a class of ``scpi.model``, or ``"package.module:name"``, or the class itself."""
    layer: str | None = None
    """Layer to read, such as counts; that of the data if ``None``."""
    setup: Mapping[str, Any] = field(default_factory=dict)
    """More arguments of its ``setup_anndata``."""
    init: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its constructor, other than the data."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its ``train``, such as ``max_epochs``."""
    predict: Mapping[str, Any] = field(default_factory=dict)
    """More arguments of its ``predict``, such as ``output``."""
    validation_size: float = 0.0
    """Fraction of the training cells of every condition to use for validation."""
    data: Sequence[str] | None = None
    """Names of the data to evaluate it on; all if ``None``."""
    splits: Sequence[str] | None = None
    """Names of the splits to evaluate it on; all if ``None``."""
    resources: Mapping[str, str] = field(default_factory=dict)
    """Options of ``sbatch`` for its jobs on a cluster, such as ``{"mem": "32G"}``. Results do not depend on them."""
    vary: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Values of settings, such as ``{"init.n_latent": [5, 10]}``: each combination is a model."""
    tune: Mapping[str, Any] = field(default_factory=dict)
    """Settings to tune: a list of values, or ``{"low": 1e-5, "high": 1e-2, "log": true}`` (``step`` for numbers in
    steps; whole numbers if both ends are)."""
    tuned: Sequence[GridTuned] = ()
    """Settings on single folds, which override those above."""
    matched_null: bool = False
    """Whether to add a matched null as ``null of NAME``: the same model, trained after permuting the labels of the
    perturbed training conditions of each context."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", name_of(self.model, ROOM, "model", "model"))
        check_type(self.layer, (str, type(None)), "the name of a layer", "layer")
        for name in (*_SECTIONS, "resources", "vary", "tune"):
            check_type(getattr(self, name), Mapping, "a mapping of names and values", name)
            check_plain(getattr(self, name), name)
        check_type(self.validation_size, (int, float), "a number", "validation_size")
        if not 0 <= self.validation_size < 1:
            raise Problem(f"must be from 0 to below 1, but is {self.validation_size}.", "validation_size")
        for name in ("data", "splits"):
            check_type(getattr(self, name), (list, tuple, type(None)), "a list of names", name)
        for key, values in self.vary.items():
            _check_setting(key, "vary", key)
            if not isinstance(values, list | tuple) or not values:
                raise Problem("must be a list of values.", "vary", key)
        for key, values in self.tune.items():
            _check_setting(key, "tune", key)
            check_space(values, "tune", key)
        if self.vary and self.tune:
            raise Problem("cannot be combined with 'vary': give the values of 'vary' as a list here.", "tune")
        check_type(self.tuned, (list, tuple), "a list of settings of folds", "tuned")
        tuned = tuple(built(GridTuned, one, "tuned", place) for place, one in enumerate(self.tuned))
        object.__setattr__(self, "tuned", tuned)
        check_type(self.matched_null, bool, "true or false", "matched_null")

    def variants(self, name: str) -> dict[str, GridModel]:
        """Create the models of the varied settings.

        Parameters
        ----------
        name
            Name of the model.

        Returns
        -------
        Models by names that contain the settings; the model itself under its name if nothing varies. Each is followed
        by its matched null, if it has one.
        """
        found = {}
        for values in product(*self.vary.values()):
            settings = dict(zip(self.vary, values, strict=True))
            words = [f"{key.partition('.')[2]}={value}" for key, value in settings.items()]
            title = f"{name} ({', '.join(words)})" if words else name
            found[title] = replace(self.with_settings(settings), vary={}, matched_null=False)
            if self.matched_null:
                found[null_name(title)] = GridNull(of=title, **vars(found[title]))
        return found

    def with_settings(self, settings: Mapping[str, Any]) -> GridModel:
        """Create a copy of the model with other settings.

        Parameters
        ----------
        settings
            Values by name of the setting, such as ``{"train.lr": 1e-3}``.

        Returns
        -------
        The new model; this one is unchanged.
        """
        parts: dict[str, dict[str, Any]] = {}
        for key, value in settings.items():
            section, _, argument = key.partition(".")
            parts.setdefault(section, dict(getattr(self, section)))[argument] = value
        changes: dict[str, Any] = parts
        return replace(self, **changes)

    def settings_on(self, *, data: str, scheme: str, split: str) -> GridModel:
        """Create the model for one fold of some data.

        Parameters
        ----------
        data, scheme, split
            Names of the data, of the split function, and of the fold.

        Returns
        -------
        The model, with the settings tuned for this fold, if there are any.
        """
        for one in self.tuned:
            if (one.data, one.scheme, one.split) == (data, scheme, split):
                return self.with_settings(one.settings)
        return self


@dataclass(frozen=True, kw_only=True)
class GridNull(GridModel):
    """The matched null of a model."""

    of: str
    """Name of the model."""


def null_name(name: str) -> str:
    """Name of the matched null of a model."""
    return f"null of {name}"


def _check_setting(key: str, *at: str | int) -> None:
    """Refuse a setting that does not name a part of a model and an argument."""
    section, _, argument = key.partition(".")
    check_choice(section, _SECTIONS, "part of a model", *at)
    if not argument:
        raise Problem(f"must name an argument, as in '{section}.name'.", *at)
