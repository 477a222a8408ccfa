"""The training step of the SENA-discrepancy-VAE as its publication formulates it, from the formulas.

Dense float64 layers with a mask multiplied at every step, the discrepancy through an explicit (2B)² x N array of
differences, and the causal layer through a matrix inverse, twice. It is the reference for speed and for numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def explicit_mmd(x: Tensor, y: Tensor, *, sigma: float, n_kernels: int = 10) -> Tensor:
    """Biased multi-kernel MMD over all pairs of the pooled sample."""
    pooled = torch.cat([x, y])
    n = len(pooled)
    difference = pooled.unsqueeze(0).expand(n, n, -1) - pooled.unsqueeze(1).expand(n, n, -1)
    distance = difference.square().sum(2)
    base = sigma / 2 ** (n_kernels // 2)
    kernel = sum(torch.exp(-distance / (base * 2**i)) for i in range(n_kernels))
    b = len(x)
    return kernel[:b, :b].mean() + kernel[b:, b:].mean() - 2 * kernel[:b, b:].mean()


class PublishedNetwork(nn.Module):
    """Encoder with a masked dense layer, intervention encoder, causal layer by inversion, decoder."""

    def __init__(self, mask: Tensor, n_targets: int, n_factors: int, n_hidden: int = 128) -> None:
        super().__init__()
        n_genes, n_sets = mask.shape
        self.mask = mask.t().double()
        self.pathway = nn.Linear(n_genes, n_sets).double()
        self.mean, self.variance = (nn.Linear(n_sets, n_factors).double() for _ in range(2))
        self.c1, self.c2 = nn.Linear(n_targets, n_hidden).double(), nn.Linear(n_hidden, n_factors).double()
        self.shift = nn.Parameter(torch.ones(n_targets, dtype=torch.float64))
        self.graph = nn.Parameter(0.1 * torch.randn(n_factors, n_factors, dtype=torch.float64))
        self.d1, self.d2 = nn.Linear(n_factors, n_hidden).double(), nn.Linear(n_hidden, n_genes).double()

    def decode(self, u: Tensor) -> Tensor:
        return F.leaky_relu(self.d2(F.leaky_relu(self.d1(u), 0.2)), 0.2)

    def causal(self, z: Tensor) -> Tensor:
        eye = torch.eye(len(self.graph), dtype=torch.float64)
        return z @ torch.inverse(eye - torch.triu(self.graph, diagonal=1))

    def forward(self, x: Tensor, c: Tensor, temperature: float, noise: Tensor) -> tuple[Tensor, ...]:
        activity = F.leaky_relu(F.linear(x, self.pathway.weight * self.mask, self.pathway.bias), 0.2)
        mean, variance = self.mean(activity), F.softplus(self.variance(activity))
        z = mean + variance.sqrt() * noise
        target = torch.softmax(self.c2(F.leaky_relu(self.c1(c), 0.2)) * temperature, dim=1)
        strength = c @ self.shift
        y_hat = self.decode(self.causal(z + target * strength[:, None]))
        return y_hat, self.decode(self.causal(z)), mean, variance

    def loss(self, x: Tensor, y: Tensor, c: Tensor, *, alpha: float, beta: float, temperature: float) -> Tensor:
        noise = torch.randn(len(x), len(self.graph), dtype=torch.float64)
        y_hat, x_hat, mean, variance = self(x, c, temperature, noise)
        kl = -0.5 * (1 + variance.log() - mean.square() - variance).mean() / len(x)
        d = len(self.graph)
        l1 = torch.triu(self.graph, diagonal=1).abs().sum() / (d * (d - 1) / 2)
        return alpha * explicit_mmd(y_hat, y, sigma=200.0) + F.mse_loss(x_hat, x) + beta * kl + 0.1 * l1
