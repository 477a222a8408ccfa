"""Maximum mean discrepancy between batches of cells, differentiable and batched over conditions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances (..., n, m) between the rows of ``x`` (..., n, d) and ``y`` (..., m, d), through products."""
    square_x, square_y = (torch.linalg.vector_norm(cells, dim=-1).square() for cells in (x, y))
    product = x @ y.transpose(-1, -2)
    return product.mul_(-2).add_(square_x[..., :, None]).add_(square_y[..., None, :]).clamp_(min=0)


def multi_kernel(distances: Tensor, base: Tensor | float, n_kernels: int) -> tuple[Tensor, Tensor]:
    """Sum of Gaussian kernels with bandwidths that double around ``base``, and minus its slope by the squared distance.

    ``k(a, b) = sum_i exp(-||a - b||² / (base 2^(i - n_kernels // 2)))`` for i = 0 ... n_kernels - 1. Both have the
    shape of ``distances``.
    """
    widest = base * 2.0 ** (n_kernels - 1 - n_kernels // 2)
    kernel = torch.exp(-distances / widest)
    total, slope = kernel.clone(), kernel / widest
    for index in range(1, n_kernels):
        # Halving the bandwidth squares the kernel: one exponential serves them all.
        kernel = kernel * kernel
        total += kernel
        slope += kernel * (2.0**index / widest)
    return total, slope


class _BatchedMMD(torch.autograd.Function):
    """Discrepancy with a gradient by the first sample, in five batched products forwards and backwards together."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, weight: Tensor, base: Tensor | float, n_kernels: int, unbiased: bool
    ) -> Tensor:
        n = x.shape[1]
        # Distances do not change under translation; centring keeps float32 exact when cells lie far from the origin.
        # Padding has no part in the centre: it lies at the origin.
        count = weight.sum(1).clamp(min=1)[:, None, None]
        centre = weight[:, None, :] @ y / count
        x, y = x - centre, y - centre
        distances = squared_distances(x, x)
        distances.diagonal(dim1=-2, dim2=-1).zero_()
        k_xx, slope_xx = multi_kernel(distances, base, n_kernels)
        k_xy, slope_xy = multi_kernel(squared_distances(x, y), base, n_kernels)
        distances = squared_distances(y, y)
        distances.diagonal(dim1=-2, dim2=-1).zero_()
        k_yy = multi_kernel(distances, base, n_kernels)[0] * weight[:, :, None] * weight[:, None, :]
        sum_xx, sum_yy = k_xx.sum((1, 2)), k_yy.sum((1, 2))
        n_pairs: float | Tensor
        if unbiased:
            # A cell against itself is n_kernels exactly.
            sum_xx, sum_yy = sum_xx - n_kernels * n, sum_yy - n_kernels * weight.sum(1)
            n_pairs, pairs_y = max(n * (n - 1), 1), (count * (count - 1)).clamp(min=1)[:, 0, 0]
        else:
            n_pairs, pairs_y = n * n, count.square()[:, 0, 0]
        weight_xy = weight[:, None, :] / (count * n)
        ctx.save_for_backward(x, y, slope_xx / n_pairs, slope_xy * weight_xy)
        return sum_xx / n_pairs + sum_yy / pairs_y - 2 * (k_xy * weight_xy).sum((1, 2))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        x, y, slope_xx, slope_xy = ctx.saved_tensors
        scale = 4 * grad[:, None, None]
        slope_xx, slope_xy = slope_xx * scale, slope_xy * scale
        # Cells of x repel each other and are drawn to those of y.
        pull = (slope_xy.sum(2) - slope_xx.sum(2))[:, :, None]
        out = torch.baddbmm(x * pull, slope_xx, x)
        return out.baddbmm_(slope_xy, y, alpha=-1), None, None, None, None, None


def batched_mmd(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None = None,
    *,
    base: Tensor | float,
    n_kernels: int = 10,
    unbiased: bool = True,
) -> Tensor:
    """Squared maximum mean discrepancy of each condition, (n_conditions,).

    ``x`` and ``y`` are (n_conditions, n_cells, n_features). The gradient flows to ``x`` alone: ``y`` are measured
    cells, and a ValueError says so if it requires one. ``weight``, (n_conditions, n_cells), is 1 for a cell of ``y``
    and 0 for padding. ``base`` is in units of squared distance, as in :func:`multi_kernel`. The U-statistic
    (``unbiased``) leaves each cell out against itself and has mean 0 under equality; a sample of one cell has no pairs,
    and its own term is 0. Otherwise it is the V-statistic.
    """
    if y.requires_grad:
        msg = "The discrepancy is differentiable in its first sample only: detach the second."
        raise ValueError(msg)
    with torch.autocast(device_type=x.device.type, enabled=False):
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        y = y.to(x.dtype)
        weight = torch.ones(y.shape[:2], dtype=x.dtype, device=x.device) if weight is None else weight.to(x.dtype)
        return _BatchedMMD.apply(x, y, weight, base, n_kernels, unbiased)


@torch.no_grad()
def bandwidth_from_cells(x: Tensor) -> float:
    """Mean squared distance between different rows of ``x`` (n_cells, n_features); 1 if all are the same."""
    n = x.shape[0]
    x = x.to(torch.float64, copy=True)
    x -= x.mean(0)
    # The mean over pairs follows from the spread around the mean, without forming the pairs.
    return float(2 * x.square_().sum() / (n - 1)) or 1.0
