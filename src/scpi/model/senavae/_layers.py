"""Encoder layers whose units are gene sets."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Init = Literal["set_mean", "set_size", "n_genes"]


class GeneSetLinear(nn.Module):
    """Linear layer with one unit per gene set, in which only the members of a set have weights.

    The weights are a vector with one entry per membership, so that memory, optimiser state and arithmetic grow with the
    number of memberships and not with genes x sets. ``membership`` is boolean, (n_genes, n_sets), dense or sparse.

    ``init="set_mean"`` makes every activity a weighted mean of the members: the weights of a set are positive and sum
    to 1, and start equal, give or take 10 %. The activity then has a sign and a scale that mean something.
    ``"set_size"`` and ``"n_genes"`` leave the weights free, and draw them from the uniform distribution in ± 1/√fan_in,
    with the size of the set, or the number of genes as published, for fan-in.

    In a weighted mean a member counts at most ``max_ratio`` times, and at least 1 / ``max_ratio`` times, what it counts
    with equal weights, before normalisation. Sets overlap: without a bound, a set can put all its weight on the few
    genes that it has in common with another, and then represents that one.
    """

    sets: Tensor
    genes: Tensor
    offsets: Tensor
    sizes: Tensor

    def __init__(self, membership: Tensor, *, init: Init = "set_mean", max_ratio: float = 2.0) -> None:
        super().__init__()
        sets, genes = _members_by_set(membership)
        n_genes, n_sets = membership.shape
        sizes = torch.bincount(sets, minlength=n_sets)
        self.register_buffer("genes", genes)
        self.register_buffer("offsets", torch.cumsum(sizes, 0) - sizes)
        self.register_buffer("sizes", sizes)
        self.register_buffer("sets", sets)
        self.is_mean = init == "set_mean"
        if max_ratio <= 1:
            msg = f"`max_ratio` must be above 1, got {max_ratio}."
            raise ValueError(msg)
        self.log_bound = math.log(max_ratio)
        weight, bias = _initial_weights(sizes[sets], sizes, n_genes, init)
        # A weighted mean is parametrised by logarithms: any value of them gives positive weights.
        self.weight = nn.Parameter((weight * sizes[sets]).log() if self.is_mean else weight)
        self.bias = nn.Parameter(bias)
        self.n_genes, self.n_sets = n_genes, n_sets

    def forward(self, x: Tensor) -> Tensor:
        """Activities of shape (n_cells, n_sets) from expression of shape (n_cells, n_genes)."""
        # A bag of genes per set: the kernel reads the cells of one gene at a time, hence gene-major.
        weights = self.member_weights().to(x.dtype)
        bags = F.embedding_bag(self.genes, x.t().contiguous(), self.offsets, mode="sum", per_sample_weights=weights)
        return bags.t() + self.bias

    def member_weights(self) -> Tensor:
        """Weight of every membership, ordered by set and then by gene."""
        if not self.is_mean:
            return self.weight
        log_weight: Tensor = self.weight
        if math.isfinite(self.log_bound):
            log_weight = self.log_bound * torch.tanh(log_weight / self.log_bound)
        positive = log_weight.exp()
        total = positive.new_zeros(self.n_sets).index_add(0, self.sets, positive)
        return positive / total[self.sets]

    def dense_weight(self) -> Tensor:
        """Weights as a dense tensor of shape (n_sets, n_genes), zero outside the sets."""
        dense = self.weight.new_zeros(self.n_sets, self.n_genes)
        return dense.index_put((self.sets, self.genes), self.member_weights())


class SoftGeneSetLinear(nn.Module):
    """Linear layer with one unit per gene set, in which non-members count ``leak`` > 0 times as much as members.

    Arguments are those of :class:`GeneSetLinear`, but weights are free after ``init``. A ``leak`` of 1 makes an
    ordinary linear layer.
    """

    mask: Tensor

    def __init__(self, membership: Tensor, *, leak: float, init: Init = "set_mean") -> None:
        super().__init__()
        member = (membership.to_dense() if membership.is_sparse else membership).bool().t()
        n_sets, n_genes = member.shape
        sizes = member.sum(1)
        self.register_buffer("mask", torch.where(member, 1.0, leak))
        weight, bias = _initial_weights(sizes[:, None].expand(n_sets, n_genes), sizes, n_genes, init)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Activities of shape (n_cells, n_sets) from expression of shape (n_cells, n_genes)."""
        return F.linear(x, self.dense_weight(), self.bias)

    def dense_weight(self) -> Tensor:
        """Effective weights of shape (n_sets, n_genes)."""
        return self.weight * self.mask


def gene_set_layer(membership: Tensor, *, leak: float, init: Init = "set_mean", max_ratio: float = 2.0) -> nn.Module:
    """Hard mask for ``leak=0``, computed on the members only; soft mask above."""
    if leak < 0 or not math.isfinite(leak):
        msg = f"The weight of genes outside a set (`leak`) must be finite and >= 0, got {leak}."
        raise ValueError(msg)
    if leak == 0:
        return GeneSetLinear(membership, init=init, max_ratio=max_ratio)
    return SoftGeneSetLinear(membership, leak=leak, init=init)


def _members_by_set(membership: Tensor) -> tuple[Tensor, Tensor]:
    """Set and gene of every membership, ordered by set and then by gene."""
    pairs = membership.t().coalesce().indices() if membership.is_sparse else membership.t().nonzero().t()
    order = torch.argsort(pairs[0] * membership.shape[0] + pairs[1])
    return pairs[0][order].contiguous(), pairs[1][order].contiguous()


def _initial_weights(size_of_weight: Tensor, sizes: Tensor, n_genes: int, init: Init) -> tuple[Tensor, Tensor]:
    """Weights, of the shape of ``size_of_weight``, and biases, one per set."""
    size_of_weight, sizes = size_of_weight.clamp(min=1).float(), sizes.clamp(min=1).float()
    noise, bias = 2 * torch.rand(size_of_weight.shape) - 1, 2 * torch.rand(len(sizes)) - 1
    if init == "set_mean":
        return (1 + 0.1 * noise) / size_of_weight, torch.zeros_like(bias)
    if init == "set_size":
        return noise * size_of_weight.rsqrt(), bias * sizes.rsqrt()
    return noise / math.sqrt(n_genes), bias / math.sqrt(n_genes)
