"""Input, output and description of a method of attribution."""

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
    """Baselines in the input space of the function: one row, or several to draw from."""
    rng: np.random.Generator
    """Random number generator, used cell by cell, so that the batch size has no effect."""


@dataclass(frozen=True)
class Completeness:
    """Sums that attributions should have, outputs x cells."""

    difference: Tensor
    """Output minus that of the baseline."""
    error: Tensor
    """Sum of the attributions minus that difference."""


@dataclass(frozen=True)
class Slopes:
    """Attributions that are slopes, or slopes times a change of the genes."""

    space: Space
    """Space of the slopes."""
    slopes: Tensor
    """Outputs x cells x coordinates."""
    change: Tensor | None = None
    """Factor of the slopes along genes, cells x genes; 1 if `None`."""
    completeness: Completeness | None = None
    """Sums that the attributions should have; `None` if the method is not complete."""

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
    """Sums that the attributions should have; `None` if the method is not complete."""

    def of_genes(self, output: int) -> Tensor:
        """Attributions of an output, cells x genes."""
        return self.values[output]


@dataclass(frozen=True)
class Method:
    """A method of attribution and its description for users."""

    name: str
    """Name of the method."""
    attribute: Callable[..., Slopes | Values]
    """Function that takes a :class:`Batch` and the options of the method."""
    means: str
    """Meaning of the attribution of a gene."""
    source: str
    """Publication of the method."""
    baseline: DefaultBaseline | None = None
    """Default baseline; `None` for a method without a baseline."""
    complete: bool = False
    """Whether attributions sum to the difference between the output and that of the baseline."""
    signed: bool = True
    """Whether the sign is the direction in which a gene moves the output."""

    @property
    def options(self) -> list[str]:
        """Names of the options of the method."""
        return list(inspect.signature(self.attribute).parameters)[1:]


def completeness(batch: Batch, slopes: Tensor, u: Tensor, start: Tensor) -> Completeness:
    """Compute the completeness of slopes times the difference between cells and a start, both in coordinates."""
    space = batch.space
    difference = space.values(u, batch.outputs) - space.values(start, batch.outputs)
    return Completeness(difference, (slopes * (u - start)).sum(-1) - difference)
