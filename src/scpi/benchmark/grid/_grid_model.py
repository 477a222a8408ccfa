"""Models of a grid, and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from scpi.benchmark.grid._names import name_of
from scpi.benchmark.grid._problem import Problem, check_choice, check_plain, check_type

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOM = "scpi.model"
"""Where models are looked up."""
_SECTIONS = ("setup", "init", "train", "predict")


@dataclass(frozen=True, kw_only=True)
class GridModel:
    """A model of a grid, and how it is built, trained and asked: as :class:`scpi.benchmark.ModelSpec`, but by its name."""

    model: Any
    """Name of a class of ``scpi.model``, or ``"package.module:name"``, or the class itself."""
    layer: str | None = None
    """Layer that it reads, such as counts; that of the data if ``None``."""
    setup: Mapping[str, Any] = field(default_factory=dict)
    """More arguments of its ``setup_anndata``."""
    init: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its constructor, other than the data."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its ``train``, such as ``max_epochs``."""
    predict: Mapping[str, Any] = field(default_factory=dict)
    """More arguments of its ``predict``, such as ``output``."""
    validation_size: float = 0.0
    """Fraction of the training cells of every condition that it may watch while it trains."""
    data: Sequence[str] | None = None
    """Names of the data that it is evaluated on; all if ``None``."""
    resources: Mapping[str, str] = field(default_factory=dict)
    """Options of ``sbatch`` for its jobs on a cluster, such as ``{"mem": "32G"}``. Results do not depend on them."""
    vary: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Values of settings, such as ``{"init.n_latent": [5, 10]}``: each combination of them is a model."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", name_of(self.model, ROOM, "model", "model"))
        check_type(self.layer, (str, type(None)), "the name of a layer", "layer")
        for name in (*_SECTIONS, "resources", "vary"):
            check_type(getattr(self, name), Mapping, "a mapping of names and values", name)
            check_plain(getattr(self, name), name)
        check_type(self.validation_size, (int, float), "a number", "validation_size")
        if not 0 <= self.validation_size < 1:
            raise Problem(f"must be from 0 to below 1, but is {self.validation_size}.", "validation_size")
        check_type(self.data, (list, tuple, type(None)), "a list of names", "data")
        for key, values in self.vary.items():
            section, _, argument = key.partition(".")
            check_choice(section, _SECTIONS, "part of a model", "vary", key)
            if not argument:
                raise Problem(f"must name an argument, as in '{section}.name'.", "vary", key)
            if not isinstance(values, list | tuple) or not values:
                raise Problem("must be a list of values.", "vary", key)

    def variants(self, name: str) -> dict[str, GridModel]:
        """Make the models of the varied settings.

        Parameters
        ----------
        name
            Name of the model.

        Returns
        -------
        Models by names that show the settings; the model itself by its name if nothing varies.
        """
        found = {}
        for values in product(*self.vary.values()):
            parts: dict[str, dict[str, Any]] = {}
            for key, value in zip(self.vary, values, strict=True):
                section, _, argument = key.partition(".")
                parts.setdefault(section, dict(getattr(self, section)))[argument] = value
            words = [f"{key.partition('.')[2]}={value}" for key, value in zip(self.vary, values, strict=True)]
            title = f"{name} ({', '.join(words)})" if words else name
            changes: dict[str, Any] = {**parts, "vary": {}}
            found[title] = replace(self, **changes)
        return found
