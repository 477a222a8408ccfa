"""Encoders of expression into the posterior over factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scpi.model.senavae._layers import gene_set_layer

if TYPE_CHECKING:
    from scpi.model.senavae._layers import Init

_MIN_VARIANCE = 1e-8


def init_small(layer: nn.Linear) -> nn.Linear:
    """Weights from N(0, 0.02) and zero bias, as published for all plain layers."""
    nn.init.normal_(layer.weight, 0.0, 0.02)
    nn.init.zeros_(layer.bias)
    return layer


class Encoder(nn.Module):
    """Mean and variance of the factors of a cell.

    With ``membership``, genes x sets, the first layer is that of :func:`scpi.model.senavae._layers.gene_set_layer` with
    ``leak``, ``init`` and ``max_ratio``; else it has ``n_hidden`` units, or there is none if that is 0.
    """

    centre: Tensor
    spread: Tensor
    heads: nn.Linear

    def __init__(
        self,
        n_genes: int,
        n_factors: int,
        *,
        membership: Tensor | None = None,
        n_hidden: int = 128,
        leak: float = 0.0,
        init: Init = "set_mean",
        max_ratio: float = 2.0,
    ) -> None:
        super().__init__()
        self.first: nn.Module | None
        if membership is not None:
            self.first = gene_set_layer(membership, leak=leak, init=init, max_ratio=max_ratio)
            width = membership.shape[1]
        elif n_hidden:
            self.first, width = init_small(nn.Linear(n_genes, n_hidden)), n_hidden
        else:
            self.first, width = None, n_genes
        # The heads read standardised units, once a model has seen its data.
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.heads = init_small(nn.Linear(width, 2 * n_factors))
        self.n_factors = n_factors

    def activity(self, x: Tensor) -> Tensor:
        """Output of the first layer before its rectifier, (n_cells, n_units); the input itself without a layer."""
        return x if self.first is None else self.first(x)

    def rectified(self, x: Tensor) -> Tensor:
        """Input of the heads: the standardised, rectified output of the first layer."""
        if self.first is None:
            return x
        return F.leaky_relu((self.activity(x) - self.centre) / self.spread, 0.2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the factors, both (n_cells, n_factors)."""
        mean, raw = self.heads(self.rectified(x)).split(self.n_factors, dim=1)
        return mean, F.softplus(raw) + _MIN_VARIANCE

    @torch.no_grad()
    def standardise(self, x: Tensor) -> None:
        """Let the heads read the units of the first layer relative to their mean and spread in ``x``."""
        units: Tensor = self.activity(x)
        self.centre.copy_(units.mean(0))
        self.spread.copy_(units.std(0, correction=0).clamp(min=1e-3))

    @torch.no_grad()
    def map_mean(self, matrix: Tensor) -> None:
        """Replace the mean by its product with ``matrix`` (n_factors, n_factors) from the right."""
        weight, bias = self.heads.weight[: self.n_factors], self.heads.bias[: self.n_factors]
        weight.copy_(matrix.t() @ weight)
        bias.copy_(bias @ matrix)

    @torch.no_grad()
    def permute_variance(self, order: Tensor) -> None:
        """Put the variances into another order of factors."""
        rows = self.n_factors + order
        self.heads.weight[self.n_factors :] = self.heads.weight[rows]
        self.heads.bias[self.n_factors :] = self.heads.bias[rows]
