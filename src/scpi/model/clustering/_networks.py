"""Layers of the clustering networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIN_THETA, _MAX_THETA = 1e-4, 1e4
_MIN_LOG_MEAN, _MAX_LOG_MEAN = -11.5, 13.8


def hidden_layers(sizes: Sequence[int], *, batch_norm: bool) -> nn.Sequential:
    """Linear layers, each but the last followed by batch normalisation, if asked for, and ReLU."""
    layers: list[nn.Module] = []
    for index, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        layers.append(_linear(n_in, n_out))
        if index < len(sizes) - 2:
            layers += [nn.BatchNorm1d(n_out)] if batch_norm else []
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class Encoder(nn.Module):
    """Encoder whose first layer is linear in its input.

    ``sizes`` are the genes, the units of the hidden layers and the latent dimensions. ``noise`` is the standard
    deviation of the Gaussian noise that is added, where noise is asked for, to the input and to each hidden layer
    before its activation. With ``batch_norm`` hidden layers are normalised over the batch, and with ``unit_length`` the
    output is divided by its length.
    """

    def __init__(
        self, sizes: Sequence[int], *, batch_norm: bool = False, noise: float = 0.0, unit_length: bool = False
    ) -> None:
        super().__init__()
        self.layers = hidden_layers(sizes, batch_norm=batch_norm)
        self.noise, self.unit_length = noise, unit_length

    @property
    def first(self) -> nn.Linear:
        """First layer."""
        layer = self.layers[0]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, x: Tensor, *, noisy: bool = False) -> Tensor:
        """Embedding of cells, (n_cells, n_latent)."""
        noisy = noisy and self.noise > 0
        if noisy:
            x = x + self.noise * torch.randn_like(x)
        return self.rest(F.linear(x, self.first.weight), noisy=noisy)

    def rest(self, hidden: Tensor, *, noisy: bool = False) -> Tensor:
        """Embedding from the product of the input with the weights of the first layer."""
        hidden = hidden + self.first.bias
        for layer in list(self.layers)[1:]:
            if noisy and isinstance(layer, nn.ReLU):
                hidden = hidden + self.noise * torch.randn_like(hidden)
            hidden = layer(hidden)
        return F.normalize(hidden, dim=1) if self.unit_length else hidden

    @torch.no_grad()
    def start_from(self, components: Tensor, scale: float) -> None:
        """Start as the projection on principal components, which are also the first latent dimensions.

        ReLU passes a component on as the difference of two units. Other units start at random, and count for nothing in
        the embedding until they have learned to. ``components`` are orthonormal columns, (n_genes, n_components), and
        ``scale`` is the length of a component in the units of the embedding.
        """
        linear = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        n_components = min([components.shape[1], linear[-1].out_features, *(m.out_features // 2 for m in linear[:-1])])
        passed = components[:, :n_components].T / scale
        both = torch.cat([passed, -passed])
        join = torch.cat([torch.eye(n_components), -torch.eye(n_components)], 1).to(passed)
        for index, layer in enumerate(linear):
            rows = (passed if index == 0 else join) if index == len(linear) - 1 else both
            layer.weight[: len(rows)] = 0.0
            layer.weight[: len(rows), : rows.shape[1]] = rows
            both = torch.cat([join, -join])

    @torch.no_grad()
    def start_normalisation(self, x: Tensor) -> None:
        """Let batch normalisation change nothing at first, on input such as ``x``."""
        hidden = F.linear(x, self.first.weight) + self.first.bias
        for layer in list(self.layers)[1:]:
            if isinstance(layer, nn.BatchNorm1d):
                mean, variance = hidden.mean(0), hidden.var(0, correction=0)
                layer.bias.copy_(mean)
                layer.weight.copy_((variance + layer.eps).sqrt())
                assert layer.running_mean is not None and layer.running_var is not None
                layer.running_mean.copy_(mean)
                layer.running_var.copy_(variance)
            else:
                hidden = layer(hidden)


class CountDecoder(nn.Module):
    """Decoder of an embedding into the parameters of counts, which may be lost with a probability if ``zero_inflated``.

    ``sizes`` are the latent dimensions and the units of the hidden layers.
    """

    def __init__(self, sizes: Sequence[int], n_genes: int, *, zero_inflated: bool) -> None:
        super().__init__()
        self.hidden = nn.Sequential(hidden_layers(sizes, batch_norm=False), nn.ReLU())
        self.mean = _linear(sizes[-1], n_genes)
        self.dispersion = _linear(sizes[-1], n_genes)
        self.dropout = _linear(sizes[-1], n_genes) if zero_inflated else None

    def forward(self, z: Tensor, exposure: Tensor, genes: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Logarithm of the mean, inverse overdispersion and logit of the dropout, of all genes or of some.

        ``exposure`` is the relative depth of each cell, or of each of these genes in it.
        """
        hidden = self.hidden(z)
        log_mean = _of_genes(self.mean, hidden, genes).clamp(_MIN_LOG_MEAN, _MAX_LOG_MEAN) + exposure.log()
        theta = F.softplus(_of_genes(self.dispersion, hidden, genes)).clamp(_MIN_THETA, _MAX_THETA)
        dropout = None if self.dropout is None else _of_genes(self.dropout, hidden, genes)
        return log_mean, theta, dropout

    @torch.no_grad()
    def start_from(self, mean: Tensor, theta: Tensor, dropout: float) -> None:
        """Start from moments of the genes: the biases give them, and the weights are zero."""
        for layer in (self.mean, self.dispersion, *([] if self.dropout is None else [self.dropout])):
            layer.weight.zero_()
        self.mean.bias.copy_(mean.clamp(min=1e-4).log())
        self.dispersion.bias.copy_(theta + torch.log(-torch.expm1(-theta)))
        if self.dropout is not None:
            self.dropout.bias.fill_(dropout)


def _linear(n_in: int, n_out: int) -> nn.Linear:
    layer = nn.Linear(n_in, n_out)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _of_genes(layer: nn.Linear, hidden: Tensor, genes: Tensor | None) -> Tensor:
    if genes is None:
        return layer(hidden)
    return F.linear(hidden, layer.weight[genes], layer.bias[genes])
