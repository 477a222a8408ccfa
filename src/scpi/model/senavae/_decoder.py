"""Decoders of causal variables into expression."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scpi.model.senavae._encoder import init_small


class Decoder(nn.Module):
    """Maps causal variables, and the one-hot batch if there are several batches, to one number per gene.

    It is linear with ``n_hidden=0``, and ends in a LeakyReLU of slope 0.2 with ``positive_output``.
    """

    def __init__(
        self, n_factors: int, n_genes: int, *, n_hidden: int = 128, n_batch: int = 0, positive_output: bool = False
    ) -> None:
        super().__init__()
        self.n_batch = n_batch if n_batch > 1 else 0
        self.first = init_small(nn.Linear(n_factors + self.n_batch, n_hidden or n_genes))
        self.last = init_small(nn.Linear(n_hidden, n_genes)) if n_hidden else None
        self.positive_output = positive_output
        self.n_factors = n_factors

    def forward(self, u: Tensor, batch: Tensor | None = None) -> Tensor:
        """Output of shape (n_cells, n_genes) for causal variables (n_cells, n_factors) and codes (n_cells, 1)."""
        if self.n_batch:
            if batch is None:
                msg = "The model was trained with batches: the batch of each cell is needed."
                raise ValueError(msg)
            u = torch.cat([u, F.one_hot(batch.reshape(-1), self.n_batch).to(u.dtype)], dim=1)
        out = self.first(u)
        if self.last is not None:
            out = self.last(F.leaky_relu(out, 0.2))
        # In place: the layer before does not need its output for the gradient.
        return F.leaky_relu(out, 0.2, inplace=True) if self.positive_output else out

    @property
    def output_bias(self) -> nn.Parameter:
        """Bias of the last layer, (n_genes,)."""
        return (self.first if self.last is None else self.last).bias

    @torch.no_grad()
    def map_factors(self, matrix: Tensor) -> None:
        """Let the decoder read ``u @ matrix`` where it read u."""
        weight = self.first.weight[:, : self.n_factors]
        weight.copy_(weight @ matrix.t())
