"""The multi-task autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scpi._screen._expression import DEPTH
from scpi.model.base.losses._count_likelihoods import negative_binomial_loss
from scpi.model.base.prediction._profile_buffers import ProfileBuffers
from scpi.model.base.training._plan_module import PlanModule
from scpi.model.multitask._kriging import Noise
from scpi.model.multitask._layers import Conditioned
from scpi.model.perturbation_gp._described import described_buffers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpi.model.multitask._presets import Preset

_DISCRIMINATOR_DROPOUT = 0.1


class MultiTaskModule(PlanModule):
    """Encoder, decoder that depends on the condition, and discriminator.

    Training sets the ``codes`` of the conditions of the data, (n_conditions, n_codes).
    """

    codes: Tensor
    depth_per_size: Tensor

    def __init__(self, n_genes: int, n_codes: int, n_conditions: int, *, preset: Preset) -> None:
        super().__init__()
        self.preset = preset
        self.register_buffer("codes", torch.zeros(n_conditions, n_codes))
        # Counts that a size factor of 1 stands for, which training finds
        self.register_buffer("depth_per_size", torch.tensor(1.0))
        plain: dict[str, Any] = {"norm": preset.norm, "dropout": preset.dropout}
        sizes = [n_genes, *preset.n_hidden]
        self.encoder = nn.Sequential(*(Conditioned(a, b, **plain) for a, b in zip(sizes, sizes[1:], strict=False)))
        self.mean = nn.Linear(sizes[-1], preset.n_latent)
        self.log_variance = nn.Linear(sizes[-1], preset.n_latent) if preset.variational else None
        sizes = [preset.n_latent, *preset.n_hidden[::-1]]
        self.embedding = None if preset.n_embedding is None else nn.Linear(n_codes, preset.n_embedding, bias=False)
        length = n_codes if preset.n_embedding is None else preset.n_embedding
        film: dict[str, Any] = {"n_codes": length, "how": preset.conditioning, "n_trunk": preset.n_trunk}
        film["start"] = preset.film_start
        self.decoder = nn.ModuleList(Conditioned(a, b, **film, **plain) for a, b in zip(sizes, sizes[1:], strict=False))
        self.output = nn.Linear(sizes[-1], n_genes)
        self.log_theta = nn.Parameter(torch.zeros(n_genes)) if preset.likelihood == "nb" else None
        self.discriminator = _discriminator(preset.n_latent, preset.n_discriminator) if preset.adversary else None
        # Latent means of the training cells, and their mean expression, for each context and condition
        self.kept, self.kept_expression = ProfileBuffers(), ProfileBuffers(more=Noise._fields)
        self.described = described_buffers()

    def depth(self, counts: Tensor, size_factor: Tensor | None = None) -> Tensor:
        """Sum of the counts of each cell, or what its size factor stands for; (n_cells, 1)."""
        if size_factor is None:
            return counts.sum(1, keepdim=True).clamp(min=1.0)
        return size_factor.reshape(-1, 1) * self.depth_per_size

    def read(self, x: Tensor, size_factor: Tensor | None = None) -> Tensor:
        """Input of the encoder: the expression, or the logarithm of normalised counts."""
        return x if self.log_theta is None else torch.log1p(x / self.depth(x, size_factor) * DEPTH)

    def posterior(self, read: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and logarithm of the variance of the latent units."""
        hidden = self.encoder(F.dropout(read, self.preset.mask, self.training))
        return self.mean(hidden), None if self.log_variance is None else self.log_variance(hidden)

    def encode(self, read: Tensor) -> Tensor:
        """Latent units, their mean where they have a distribution."""
        return self.posterior(read)[0]

    def decode(self, z: Tensor, code: Tensor) -> Tensor:
        """Expression, or logarithms of the fractions of the genes in the counts, under codes (n_cells, n_codes)."""
        code = code if self.embedding is None else self.embedding(code)
        hidden = z
        for layer in self.decoder:
            hidden = layer(hidden, code)
        output: Tensor = self.output(hidden)
        return output if self.log_theta is None else torch.log_softmax(output, 1)

    @torch.no_grad()
    def start_from(self, mean: Tensor) -> None:
        """Let the output start from the mean expression, or the mean fractions of the genes, (n_genes,)."""
        level = mean if self.log_theta is None else torch.log(mean + 1.0 / len(mean) ** 2)
        self.output.bias.copy_(level)

    def reconstruction_loss(self, decoded: Tensor, target: Tensor, size_factor: Tensor | None = None) -> Tensor:
        """Mean squared error over genes, or mean negative log-likelihood."""
        if self.log_theta is None:
            return F.mse_loss(decoded, target)
        log_mean = decoded + self.depth(target, size_factor).log()
        return negative_binomial_loss(target, log_mean, self.log_theta.exp()).mean()

    def losses(
        self, read: Tensor, target: Tensor, code: Tensor, size_factor: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Reconstruction of cells, divergence of their latent units from the prior, and the latent units.

        Codes of conditions and size factors (the sums of the counts if ``None``) are of the decoded cells.
        """
        mean, log_variance = self.posterior(read)
        z, losses = mean, {}
        if log_variance is not None:
            if self.training:
                z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
            losses["divergence"] = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1).mean()
        losses["reconstruction"] = self.reconstruction_loss(self.decode(z, code), target, size_factor)
        return losses, z


def _discriminator(n_in: int, n_hidden: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    sizes = [n_in, *n_hidden]
    for a, b in zip(sizes, sizes[1:], strict=False):
        linear = nn.utils.parametrizations.spectral_norm(nn.Linear(a, b))
        layers += [linear, nn.LeakyReLU(0.01), nn.Dropout(_DISCRIMINATOR_DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
