"""Splits of a grid: the function that creates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scpi.benchmark.grid._names import name_of
from scpi.benchmark.grid._problem import Problem, check_plain, check_type
from scpi.benchmark.grid._record import built

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOM = "scpi.benchmark.splits"
"""Module in which split functions are looked up."""


@dataclass(frozen=True, kw_only=True)
class GridFold:
    """One of the folds that a function creates."""

    by: Any
    """The function, as in :class:`GridSplit`."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments."""
    fold: int
    """Index of the fold, from 0."""

    def __post_init__(self) -> None:
        _check_function(self)
        check_type(self.fold, int, "a whole number", "fold")


@dataclass(frozen=True, kw_only=True)
class GridSplit:
    """A function that splits cells into folds; models are trained and tested on each fold separately."""

    by: Any
    """Name of a function of ``scpi.benchmark.splits``, or ``"package.module:name"``, or the function itself. It gets
    the columns of the labels from the data."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments, such as ``n_splits``."""
    data: Sequence[str] | None = None
    """Names of the data to split; all if ``None``."""
    inside: GridFold | None = None
    """A fold whose training cells only are read and split, as for tuning; all cells if ``None``."""

    def __post_init__(self) -> None:
        _check_function(self)
        if self.inside is not None:
            object.__setattr__(self, "inside", built(GridFold, self.inside, "inside"))
        check_type(self.data, (list, tuple, type(None)), "a list of names", "data")


def _check_function(entry: GridFold | GridSplit) -> None:
    """Check the function, and that its arguments give the same folds in every process."""
    object.__setattr__(entry, "by", name_of(entry.by, ROOM, "split", "by"))
    check_type(entry.arguments, Mapping, "a mapping of names and values", "arguments")
    check_plain(entry.arguments, "arguments")
    if entry.arguments.get("rng", 0) is None:
        raise Problem("without a seed, every process would make different splits.", "arguments", "rng")
