"""What a method of attribution is given, what it gives back, and how it describes itself."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from torch import Tensor

    from scpi.attribution._space import Space

DefaultBaseline = Literal["zero", "mean", "cells"]


@dataclass(frozen=True)
class Batch:
    """Cells of one group, whose outputs are explained."""

    space: Space
    """The function, and the coordinates of cells in it."""
    x: Tensor
    """Input of the function, cells x genes."""
    outputs: Sequence[int]
    """Outputs to explain."""
    baseline: Tensor
    """What cells are compared with, in the input of the function: one row, or several to draw from."""
    rng: np.random.Generator
    """Where random numbers come from, those of one cell after those of another, so that batches make no difference."""


@dataclass(frozen=True)
class Completeness:
    """What attributions should sum to, outputs x cells."""

    difference: Tensor
    """Output less that of the baseline."""
    error: Tensor
    """Sum of the attributions less that difference."""


@dataclass(frozen=True)
class Slopes:
    """Attributions that are slopes, or slopes times a change of the genes."""

    space: Space
    """Where the slopes were found."""
    slopes: Tensor
    """Outputs x cells x coordinates."""
    change: Tensor | None = None
    """What the slopes along genes are multiplied by, cells x genes; nothing if `None`."""
    completeness: Completeness | None = None
    """What the attributions should sum to, where they should."""

    def of_genes(self, output: int) -> Tensor:
        """Attributions of an output, cells x genes."""
        slopes = self.space.leave(self.slopes[output])
        return slopes if self.change is None else slopes * self.change


@dataclass(frozen=True)
class Values:
    """Attributions as they are."""

    values: Tensor
    """Outputs x cells x genes."""
    completeness: Completeness | None = None
    """What the attributions should sum to, where they should."""

    def of_genes(self, output: int) -> Tensor:
        """Attributions of an output, cells x genes."""
        return self.values[output]


@dataclass(frozen=True)
class Method:
    """A method of attribution and what a user has to know of it."""

    name: str
    """Name by which it is known."""
    attribute: Callable[..., Slopes | Values]
    """Takes a :class:`Batch` and the options of the method."""
    means: str
    """What the attribution of a gene is."""
    source: str
    """Where the method comes from."""
    baseline: DefaultBaseline | None = None
    """What cells are compared with unless something else is given; `None` for a method that compares with nothing."""
    complete: bool = False
    """Whether attributions sum to the difference of the output from that of the baseline."""
    signed: bool = True
    """Whether the sign says in which direction a gene moves the output."""

    @property
    def options(self) -> list[str]:
        """Names of the options of the method."""
        return list(inspect.signature(self.attribute).parameters)[1:]


def completeness(batch: Batch, slopes: Tensor, u: Tensor, start: Tensor) -> Completeness:
    """Completeness of slopes times the way from a start to the cells, both in coordinates."""
    space = batch.space
    difference = space.values(u, batch.outputs) - space.values(start, batch.outputs)
    return Completeness(difference, (slopes * (u - start)).sum(-1) - difference)
