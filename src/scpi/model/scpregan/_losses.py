"""Terms of the objective of discriminators and generators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor


def source_loss(logits: Tensor, *, measured: bool) -> Tensor:
    """Mean negative log-likelihood of all cells being measured, or of all being generated, from logits (n_cells,)."""
    return F.softplus(-logits if measured else logits).mean()


def context_loss(logits: Tensor | None, context: Tensor | None) -> Tensor:
    """Mean negative log-likelihood of the contexts of cells, from logits (n_cells, n_contexts); 0 without contexts.

    The published code takes the negative probability instead of its logarithm.
    """
    if logits is None or context is None:
        return torch.zeros(())
    return F.cross_entropy(logits, context)


def encoding_loss(codes: Tensor, targets: Tensor) -> Tensor:
    """Mean squared distance of the codes of generated cells from those of the cells that they were made from.

    Gradients reach the codes alone: the targets stay where they are.
    """
    return F.mse_loss(codes, targets.detach())
