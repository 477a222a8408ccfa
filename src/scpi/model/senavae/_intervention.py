"""Target factors of perturbations, and strengths of the shifts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

InterventionEncoding = Literal["mlp", "table"]


class InterventionEncoder(nn.Module):
    """Soft assignment of perturbations to factors with a learned strength.

    Perturbation k shifts the exogenous noise by ``s_k t_k`` with t_k on the simplex over factors and s_k a scalar of
    either sign. A combination shifts by the sum of its members, whatever their number. The encoding ``"mlp"`` maps the
    one-hot code through a layer of ``n_hidden`` units, as published; ``"table"`` learns the logits directly.
    """

    temperature: Tensor

    def __init__(
        self, n_perturbations: int, n_factors: int, *, encoding: InterventionEncoding = "mlp", n_hidden: int = 128
    ) -> None:
        super().__init__()
        if encoding == "mlp":
            self.logits_net = nn.Sequential(
                nn.Linear(n_perturbations, n_hidden), nn.LeakyReLU(0.2), nn.Linear(n_hidden, n_factors)
            )
            self.logits_table: nn.Parameter | None = None
        elif encoding == "table":
            self.logits_net = nn.Sequential()
            self.logits_table = nn.Parameter(0.1 * torch.randn(n_perturbations, n_factors))
        else:
            msg = f"`encoding` must be 'mlp' or 'table', got {encoding!r}."
            raise ValueError(msg)
        self.strength = nn.Parameter(torch.ones(n_perturbations))
        self.register_buffer("temperature", torch.ones(()))

    def logits(self) -> Tensor:
        """Logits of shape (n_perturbations, n_factors)."""
        if self.logits_table is not None:
            return self.logits_table
        # One row per perturbation: the network has no other inputs, so it is evaluated once for all cells.
        return self.logits_net(torch.eye(len(self.strength), dtype=self.strength.dtype, device=self.strength.device))

    def assignment(self) -> Tensor:
        """Probability that each perturbation hits each factor, of shape (n_perturbations, n_factors)."""
        return torch.softmax(self.logits() * self.temperature, dim=1)

    def forward(self, design: Tensor) -> Tensor:
        """Shift of the exogenous noise (n_conditions, n_factors) for doses (n_conditions, n_perturbations)."""
        return (design * self.strength) @ self.assignment()

    @torch.no_grad()
    def set_assignment(self, logits: Tensor, strength: Tensor) -> None:
        """Set the logits (n_perturbations, n_factors) of a table, and the strengths."""
        if self.logits_table is None:
            msg = "Only an intervention encoder with `encoding='table'` can be set."
            raise TypeError(msg)
        self.logits_table.copy_(logits)
        self.strength.copy_(strength)

    @torch.no_grad()
    def permute_factors(self, order: Tensor) -> None:
        """Put the factors into another order."""
        if self.logits_table is not None:
            self.logits_table.copy_(self.logits_table[:, order])
        else:
            for parameter in self.logits_net[-1].parameters():
                parameter.copy_(parameter[order])
