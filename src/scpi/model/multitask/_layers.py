"""Layers that depend on the condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

Conditioning = Literal["film", "concat", "add", "mul", "none"]
Norm = Literal["batch", "layer", "none"]
Start = Literal["identity", "random"]

_SLOPE = 0.01


class Conditioned(nn.Module):
    r"""A linear layer, a norm, the condition, LeakyReLU and dropout.

    With ``"film"`` the normalised values are scaled by :math:`1 + \gamma` and shifted by :math:`\beta`, with ``"mul"``
    and ``"add"`` one of the two, and with ``"concat"`` the code is put beside the input. Scale and shift are linear in
    the code, or in what hidden layers make of it, and start at zero: at first no condition changes anything. They have
    no intercept, so that the control, whose code is zero, stays without a change of its own if there are no hidden
    layers.

    With a ``"random"`` start, as published, the scale is :math:`\mathrm{LeakyReLU}(\gamma)` and the shift
    :math:`\mathrm{LeakyReLU}(\beta)`, linear in the code with an intercept, from random weights. They start small,
    so that a step of the optimiser changes them by a larger part than one that starts at 1.

    ``n_codes`` is the length of the code, and ``n_trunk`` the hidden units between the code and scale and shift.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        n_codes: int = 0,
        how: Conditioning = "none",
        n_trunk: Sequence[int] = (),
        start: Start = "identity",
        norm: Norm = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.how, self.start, self.dropout = how, start, dropout
        self.linear = nn.Linear(n_in + (n_codes if how == "concat" else 0), n_out)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.norm: nn.Module = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "none": nn.Identity}[norm](n_out)
        sizes = [n_codes, *n_trunk]
        layers = [nn.Sequential(nn.Linear(a, b), nn.LeakyReLU(_SLOPE)) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.trunk = nn.Sequential(*layers) if how in ("film", "add", "mul") else None
        self.scale = _head(sizes[-1], n_out, start) if how in ("film", "mul") else None
        self.shift = _head(sizes[-1], n_out, start) if how in ("film", "add") else None

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        """Units, (n_cells, n_out)."""
        if self.how == "concat":
            assert code is not None
            x = torch.cat([x, code], 1)
        y = self.norm(self.linear(x))
        if self.trunk is not None:
            hidden = self.trunk(code)
            y = y if self.scale is None else y * self._scale(self.scale(hidden))
            y = y if self.shift is None else y + self._shift(self.shift(hidden))
        return F.dropout(F.leaky_relu(y, _SLOPE), self.dropout, self.training)

    def _scale(self, gamma: Tensor) -> Tensor:
        return 1.0 + gamma if self.start == "identity" else F.leaky_relu(gamma, _SLOPE)

    def _shift(self, beta: Tensor) -> Tensor:
        return beta if self.start == "identity" else F.leaky_relu(beta, _SLOPE)


def _head(n_in: int, n_out: int, start: Start) -> nn.Linear:
    layer = nn.Linear(n_in, n_out, bias=start == "random")
    if start == "random":
        nn.init.xavier_uniform_(layer.weight)
    else:
        nn.init.zeros_(layer.weight)
    return layer
