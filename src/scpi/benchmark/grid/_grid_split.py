"""Splits of a grid: the function that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scpi.benchmark.grid._names import name_of
from scpi.benchmark.grid._problem import Problem, check_plain, check_type

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOM = "scpi.benchmark.splits"
"""Where functions that make splits are looked up."""


@dataclass(frozen=True, kw_only=True)
class GridSplit:
    """A function that divides cells; each of the divisions that it makes is learned from and predicted on its own."""

    by: Any
    """Name of a function of ``scpi.benchmark.splits``, or ``"package.module:name"``, or the function itself. It gets the
    columns of the labels from the data."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """More of its arguments, such as ``n_splits``."""
    data: Sequence[str] | None = None
    """Names of the data that it divides; all if ``None``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", name_of(self.by, ROOM, "split", "by"))
        check_type(self.arguments, Mapping, "a mapping of names and values", "arguments")
        check_plain(self.arguments, "arguments")
        if self.arguments.get("rng", 0) is None:
            raise Problem("without a seed, every process would make other splits.", "arguments", "rng")
        check_type(self.data, (list, tuple, type(None)), "a list of names", "data")
