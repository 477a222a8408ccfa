"""Parts of the network: blocks, posteriors, autoencoders, translator, discriminators and conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from scpi.model.scbutterfly._presets import Preset


class Normal(NamedTuple):
    """Mean and logarithm of the variance of independent normal variables, cells x units."""

    mean: Tensor
    log_variance: Tensor

    def draw(self) -> Tensor:
        """A value for each variable, differentiable in mean and variance."""
        return self.mean + torch.exp(0.5 * self.log_variance) * torch.randn_like(self.mean)


def _linear(n_in: int, n_out: int) -> nn.Linear:
    layer = nn.Linear(n_in, n_out)
    nn.init.xavier_uniform_(layer.weight)
    return layer


def _layer(n_in: int, n_out: int) -> nn.Sequential:
    """Linear map, normalised over the batch, and a leaky rectifier."""
    return nn.Sequential(_linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU())


def block(sizes: Sequence[int], *, dropout: float, noise: float = 0.0, plain_output: bool = False) -> nn.Sequential:
    """Layers of given sizes, inputs first, with dropout between them; ``noise`` is the dropout of the input.

    With ``plain_output`` they end in a linear map.
    """
    layers: list[nn.Module] = [nn.Dropout(noise)]
    for n_in, n_out in zip(sizes[:-2], sizes[1:-1], strict=True):
        layers += [_layer(n_in, n_out), nn.Dropout(dropout)]
    return nn.Sequential(*layers, (_linear if plain_output else _layer)(sizes[-2], sizes[-1]))


class Posterior(nn.Module):
    """Normal posterior, given an embedding."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.mean, self.log_variance = _layer(n_in, n_out), _layer(n_in, n_out)

    def forward(self, h: Tensor) -> Normal:
        """Posterior of each cell."""
        return Normal(self.mean(h), self.log_variance(h))


class Autoencoder(nn.Module):
    """Autoencoder of the cells of one domain; the hidden layers of the decoder are those of the encoder in reverse."""

    def __init__(self, n_genes: int, n_hidden: Sequence[int], preset: Preset) -> None:
        super().__init__()
        sizes = (n_genes, *n_hidden, preset.n_latent)
        self.encoder = block(sizes, dropout=preset.dropout, noise=preset.noise)
        self.decoder = block(sizes[::-1], dropout=preset.dropout, plain_output=preset.plain_output)

    def encode(self, x: Tensor) -> Tensor:
        """Embedding of cells."""
        h: Tensor = self.encoder(x)
        return h

    def decode(self, h: Tensor) -> Tensor:
        """Expression of embeddings."""
        x: Tensor = self.decoder(h)
        return x


class Bridge(nn.Module):
    """From the embeddings of one or both domains, over a normal posterior, to those of one or both domains."""

    def __init__(self, domains: Sequence[str], n_latent: int, n_translator: int) -> None:
        super().__init__()
        self.posteriors = nn.ModuleDict({domain: Posterior(n_latent, n_translator) for domain in domains})
        self.heads = nn.ModuleDict({domain: _layer(n_translator, n_latent) for domain in domains})

    def posterior(self, h: Tensor, domain: str) -> Normal:
        """Posterior, given embeddings of a domain."""
        posterior: Normal = self.posteriors[domain](h)
        return posterior

    def embedding(self, z: Tensor, domain: str) -> Tensor:
        """Embedding in a domain."""
        h: Tensor = self.heads[domain](z)
        return h


class Conditions(nn.Module):
    """Scale and shift of the embedding of treated cells, for each condition; none of either at first."""

    def __init__(self, n_conditions: int, n_latent: int) -> None:
        super().__init__()
        self.scale, self.shift = (nn.Embedding(n_conditions, n_latent) for _ in range(2))
        for table in (self.scale, self.shift):
            nn.init.zeros_(table.weight)

    def forward(self, h: Tensor, code: Tensor) -> Tensor:
        """Embeddings (n_cells, n_latent) under conditions (n_cells,)."""
        return h * (1.0 + self.scale(code)) + self.shift(code)


class Discriminator(nn.Module):
    """Logit of an embedding to come from an encoder and not from the translator."""

    def __init__(self, n_latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_linear(n_latent, 1), nn.BatchNorm1d(1))

    def forward(self, h: Tensor) -> Tensor:
        """Logit of each cell, (n_cells,)."""
        logits: Tensor = self.layers(h).squeeze(1)
        return logits
