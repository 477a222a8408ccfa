from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


@dataclass(frozen=True)
class DecoderTarget:
    """Differentiable function of the latent units, to find their effects on the genes."""

    function: Callable[[Tensor], Tensor]
    """Maps latent units, cells x units, to the logarithm of the mean expression, cells x genes, at the same depth for all
    cells. It treats cells independently, like a network in evaluation mode, and draws no random numbers. If the decoder
    reads batches, it returns the mean over them."""
    names: Sequence[str]
    """Names of the units."""
    _: KW_ONLY
    non_negative: bool = False
    """Whether units cannot be below 0, where they are off. Such a unit acts in one direction; the sign of others is arbitrary."""
