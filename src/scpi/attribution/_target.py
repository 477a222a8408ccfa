from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


@dataclass(frozen=True)
class AttributionTarget:
    """Differentiable function of the expression, to explain its outputs by genes."""

    function: Callable[[Tensor], Tensor]
    """Maps expression after the model's own input transform, cells x genes, to outputs, cells x outputs. It treats cells
    independently, like a network in evaluation mode, and draws no random numbers."""
    transform: Callable[[Tensor], Tensor]
    """Maps registered expression to the input of `function`."""
    names: Sequence[str]
    """Names of the outputs."""
    _: KW_ONLY
    kind: str
    """Kind of the outputs."""
    projection: Tensor | None = None
    """Weights of a linear first layer, genes x hidden units, if the function reads genes only through it."""
    head: Callable[[Tensor], Tensor] | None = None
    """The rest of the function: `function(x)` is `head(x @ projection)`. With both, gradients of many outputs stop at
    the first layer, and one product maps them to the genes."""
    non_negative: bool = False
    """Whether the outputs are latent units that cannot be below 0, where they are off."""


def of_outputs(
    target: AttributionTarget, after: Callable[[Tensor], Tensor], *, names: Sequence[str], kind: str
) -> AttributionTarget:
    """Make a target whose outputs are a function of those of another one."""

    def composed(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda x: after(function(x))

    head = None if target.head is None else composed(target.head)
    return replace(target, function=composed(target.function), head=head, names=names, kind=kind, non_negative=False)
