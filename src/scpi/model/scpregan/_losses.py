"""Terms of the objective of discriminators and generators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor


def source_loss(logits: Tensor, *, measured: bool, weight: Tensor | None = None) -> Tensor:
    """Mean negative log-likelihood of all cells being measured, or of all being generated.

    Parameters
    ----------
    logits
        Logits of being measured, (n_cells,).
    measured
        What they are said to be.
    weight
        Weight of each cell; all count alike if ``None``.
    """
    return _mean(F.softplus(-logits if measured else logits), weight)


def context_loss(logits: Tensor | None, context: Tensor | None, *, weight: Tensor | None = None) -> Tensor:
    """Mean negative log-likelihood of the contexts of cells; 0 where there are none.

    The published code takes the negative probability in place of its logarithm.

    Parameters
    ----------
    logits
        Logits of the contexts, (n_cells, n_contexts).
    context
        Code of the context of each cell, (n_cells,).
    weight
        Weight of each cell; all count alike if ``None``.
    """
    if logits is None or context is None:
        return torch.zeros(())
    return _mean(F.cross_entropy(logits, context, reduction="none"), weight)


def _mean(losses: Tensor, weight: Tensor | None) -> Tensor:
    """Weighted mean, 0 where nothing has a weight."""
    if weight is None:
        return losses.mean()
    return (weight * losses).sum() / weight.sum().clamp(min=1.0)


def encoding_loss(codes: Tensor, targets: Tensor) -> Tensor:
    """Mean squared distance of the codes of generated cells from those of the cells that they were made from.

    Parameters
    ----------
    codes, targets
        Latent units, (n_cells, n_latent). Gradients reach the codes alone: the targets stay where they are.
    """
    return F.mse_loss(codes, targets.detach())
