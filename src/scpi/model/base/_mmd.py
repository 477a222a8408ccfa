"""Maximum mean discrepancy between batches of cells, differentiable and batched over conditions."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_squared_distances(x: Tensor) -> Tensor:
    """Squared distances of shape (..., n, n) among the rows of ``x`` (..., n, d), with a diagonal of exact zeros."""
    # Distances do not change under translation; centring keeps float32 exact when cells lie far from the origin.
    x = x - x.detach().mean(dim=-2, keepdim=True)
    gram = x @ x.transpose(-1, -2)
    square = gram.diagonal(dim1=-2, dim2=-1)
    distances = (square[..., :, None] + square[..., None, :] - 2 * gram).clamp(min=0)
    return distances * (1 - torch.eye(x.shape[-2], dtype=x.dtype, device=x.device))


def multi_kernel(distances: Tensor, base: Tensor | float, n_kernels: int) -> Tensor:
    """Sum of ``n_kernels`` Gaussian kernels whose bandwidths double around ``base``.

    ``k(a, b) = sum_i exp(-||a - b||² / (base 2^(i - n_kernels // 2)))`` for i = 0 ... n_kernels - 1.
    """
    widest = base * 2.0 ** (n_kernels - 1 - n_kernels // 2)
    kernel = torch.exp(-distances / widest)
    total = kernel
    for _ in range(n_kernels - 1):
        # Halving the bandwidth squares the kernel: one exponential serves them all.
        kernel = kernel * kernel
        total = total + kernel
    return total


def batched_mmd(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    *,
    base: Tensor | float,
    n_kernels: int = 10,
    unbiased: bool = True,
) -> Tensor:
    """Squared maximum mean discrepancy of each condition.

    Parameters
    ----------
    x, y
        Two samples a condition, both of shape (n_conditions, n_cells, n_features).
    weight
        1 for a cell of ``y`` and 0 for padding, of shape (n_conditions, n_cells). All cells without.
    base
        Bandwidth around which the others double, in units of squared distance.
    n_kernels
        Number of bandwidths.
    unbiased
        U-statistic, which leaves each cell out against itself and has mean 0 under equality, or V-statistic.

    Returns
    -------
    Tensor of shape (n_conditions,). A sample of one cell has no pairs: its own term is 0 if ``unbiased``.
    """
    n_cells = x.shape[1]
    weight = torch.ones(y.shape[:2], dtype=y.dtype, device=y.device) if weight is None else weight.to(y.dtype)
    kernel = multi_kernel(pairwise_squared_distances(torch.cat([x, y], dim=1)), base, n_kernels)
    count = weight.sum(1).clamp(min=1)
    sum_xx = kernel[:, :n_cells, :n_cells].sum((1, 2))
    sum_yy = (kernel[:, n_cells:, n_cells:] * weight[:, :, None] * weight[:, None, :]).sum((1, 2))
    mean_xy = (kernel[:, :n_cells, n_cells:].sum(1) * weight).sum(1) / (count * n_cells)
    if not unbiased:
        return sum_xx / n_cells**2 + sum_yy / count.square() - 2 * mean_xy
    # A cell against itself is n_kernels exactly.
    mean_xx = (sum_xx - n_kernels * n_cells) / max(n_cells * (n_cells - 1), 1)
    mean_yy = (sum_yy - n_kernels * weight.sum(1)) / (count * (count - 1)).clamp(min=1)
    return mean_xx + mean_yy - 2 * mean_xy


@torch.no_grad()
def bandwidth_from_cells(x: Tensor) -> float:
    """Mean squared distance between different rows of ``x`` (n_cells, n_features)."""
    n = x.shape[0]
    x = x.double() - x.double().mean(0)
    # The mean over pairs follows from the spread around the mean, without forming the pairs.
    return float(2 * x.square().sum() / (n - 1))
