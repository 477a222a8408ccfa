"""Attributions: how much each gene moves an output of a differentiable function. Arrays and tensors, no AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.attribution._target import AttributionTarget as AttributionTarget

__getattr__, __dir__, __all__ = attach(__name__, {"AttributionTarget": "_target"})
