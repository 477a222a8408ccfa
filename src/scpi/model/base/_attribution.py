"""The attribution hook: what a model offers to methods that ask which genes matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


@dataclass(frozen=True)
class AttributionTarget:
    """A differentiable function of expression.

    Attributes
    ----------
    function
        Maps expression, after the model's own input transform, (n_cells, n_genes), to outputs (n_cells, n_outputs). It
        draws no random numbers.
    transform
        Maps registered expression to the input of ``function``.
    names
        Names of the outputs.
    kind
        What the outputs are.
    """

    function: Callable[[Tensor], Tensor]
    transform: Callable[[Tensor], Tensor]
    names: Sequence[str]
    kind: str
