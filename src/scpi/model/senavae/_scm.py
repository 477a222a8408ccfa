"""Structural causal layers: from exogenous noise to causal variables."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

Mechanism = Literal["linear", "relu", "none"]

_INIT_STD = 0.1


class CausalGraph(nn.Module):
    """Weights of a directed acyclic graph among ``n_factors`` factors whose index is a causal order.

    Only the strict upper triangle exists; entry (i, j) is the effect of factor i on factor j. Weights start from a
    normal distribution of standard deviation 0.1.
    """

    parent: Tensor
    child: Tensor

    def __init__(self, n_factors: int) -> None:
        super().__init__()
        index = torch.triu_indices(n_factors, n_factors, offset=1)
        self.register_buffer("parent", index[0])
        self.register_buffer("child", index[1])
        self.weight = nn.Parameter(_INIT_STD * torch.randn(index.shape[1]))
        self.n_factors = n_factors

    def forward(self) -> Tensor:
        """Adjacency matrix of shape (n_factors, n_factors)."""
        dense = self.weight.new_zeros(self.n_factors, self.n_factors)
        return dense.index_put((self.parent, self.child), self.weight)

    @torch.no_grad()
    def set_adjacency(self, adjacency: Tensor) -> None:
        """Take the strict upper triangle of ``adjacency`` as the weights."""
        self.weight.copy_(adjacency[self.parent, self.child])


def solve_linear(z: Tensor, adjacency: Tensor) -> Tensor:
    """Causal variables of a linear model, ``u = z (I - G)^-1``, for rows z and strictly upper triangular G."""
    eye = torch.eye(adjacency.shape[0], dtype=z.dtype, device=z.device)
    return torch.linalg.solve_triangular(eye - adjacency, z, upper=True, left=False, unitriangular=True)


def solve_relu(z: Tensor, adjacency: Tensor) -> Tensor:
    """Causal variables of a rectified model, ``u_j = z_j + sum_{i<j} relu(u_i) G_ij``, in causal order."""
    causal: list[Tensor] = []
    rectified: list[Tensor] = []
    for j in range(adjacency.shape[0]):
        u = z[:, j]
        if rectified:
            u = u + torch.stack(rectified, dim=1) @ adjacency[:j, j]
        causal.append(u)
        rectified.append(torch.relu(u))
    return torch.stack(causal, dim=1)


def _at_least_single(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class CausalLayer(nn.Module):
    """Structural causal model: linear, ``"relu"`` (parents act through a rectifier) or ``"none"`` (no graph: u = z)."""

    def __init__(self, n_factors: int, *, mechanism: Mechanism = "linear") -> None:
        super().__init__()
        if mechanism not in get_args(Mechanism):
            msg = f"`mechanism` must be 'linear', 'relu' or 'none', got {mechanism!r}."
            raise ValueError(msg)
        self.mechanism = mechanism
        self.graph = None if mechanism == "none" else CausalGraph(n_factors)
        self.n_factors = n_factors

    def forward(self, z: Tensor) -> Tensor:
        """Causal variables of the rows of ``z``, same shape."""
        if self.graph is None:
            return z
        solve = solve_linear if self.mechanism == "linear" else solve_relu
        # Half precision has no triangular solver, and errors would add up from cause to consequence.
        with torch.autocast(z.device.type, enabled=False):
            z = _at_least_single(z)
            return solve(z, self.graph().to(z.dtype))

    def inverse(self, u: Tensor) -> Tensor:
        """Exogenous noise of the causal variables ``u``, same shape: what the parents do not explain."""
        if self.graph is None:
            return u
        with torch.autocast(u.device.type, enabled=False):
            u = _at_least_single(u)
            parents = torch.relu(u) if self.mechanism == "relu" else u
            return u - parents @ self.graph().to(u.dtype)

    def adjacency(self) -> Tensor:
        """Adjacency matrix of shape (n_factors, n_factors); zeros without a graph."""
        return torch.zeros(self.n_factors, self.n_factors) if self.graph is None else self.graph()

    def sparsity_penalty(self, *, mean: bool) -> Tensor:
        """Sum, or mean over the possible edges, of the absolute weights."""
        if self.graph is None or self.graph.weight.numel() == 0:
            return torch.zeros(())
        size = self.graph.weight.abs()
        return size.mean() if mean else size.sum()
