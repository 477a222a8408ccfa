"""The multi-task autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from scvi.module.base import BaseModuleClass, LossOutput
from torch import Tensor, nn
from torch.nn import functional as F

from scpi.model.base._constants import KEYS
from scpi.model.base._count_likelihoods import negative_binomial_loss
from scpi.model.multitask._layers import Conditioned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scpi.model.multitask._presets import Preset

_DISCRIMINATOR_DROPOUT = 0.1
_DEPTH = 1e4


class MultiTaskModule(BaseModuleClass):
    """Encoder, decoder that is told the condition, and discriminator.

    Parameters
    ----------
    n_genes
        Number of genes.
    n_codes
        Length of the code of a condition.
    preset
        Architecture and objective.
    """

    def __init__(self, n_genes: int, n_codes: int, *, preset: Preset) -> None:
        super().__init__()
        self.preset = preset
        plain = {"norm": preset.norm, "dropout": preset.dropout}
        sizes = [n_genes, *preset.n_hidden]
        self.encoder = nn.Sequential(*(Conditioned(a, b, **plain) for a, b in zip(sizes, sizes[1:], strict=False)))
        self.mean = nn.Linear(sizes[-1], preset.n_latent)
        self.log_variance = nn.Linear(sizes[-1], preset.n_latent) if preset.variational else None
        sizes = [preset.n_latent, *preset.n_hidden[::-1]]
        told = {"n_codes": n_codes, "how": preset.conditioning, "n_trunk": preset.n_trunk}
        self.decoder = nn.ModuleList(
            Conditioned(a, b, **told, **plain) for a, b in zip(sizes, sizes[1:], strict=False)
        )
        self.output = nn.Linear(sizes[-1], n_genes)
        self.log_theta = nn.Parameter(torch.zeros(n_genes)) if preset.likelihood == "nb" else None
        self.discriminator = _discriminator(preset.n_latent, preset.n_discriminator) if preset.adversary else None

    def read(self, x: Tensor) -> Tensor:
        """What the encoder reads: the expression, or the logarithm of normalised counts."""
        if self.log_theta is None:
            return x
        return torch.log1p(x / x.sum(1, keepdim=True).clamp(min=1.0) * _DEPTH)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and logarithm of the variance of the latent units."""
        hidden = self.encoder(F.dropout(self.read(x), self.preset.mask, self.training))
        return self.mean(hidden), None if self.log_variance is None else self.log_variance(hidden)

    def encode(self, x: Tensor) -> Tensor:
        """Latent units, their mean where they have a distribution."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor, code: Tensor) -> Tensor:
        """Expression, or logarithms of the shares of the genes in the counts."""
        hidden = z
        for layer in self.decoder:
            hidden = layer(hidden, code)
        output = self.output(hidden)
        return output if self.log_theta is None else torch.log_softmax(output, 1)

    def reconstruction_loss(self, decoded: Tensor, target: Tensor) -> Tensor:
        """Mean squared error over genes, or mean negative log-likelihood."""
        if self.log_theta is None:
            return F.mse_loss(decoded, target)
        depth = target.sum(1, keepdim=True).clamp(min=1.0)
        return negative_binomial_loss(target, decoded + depth.log(), self.log_theta.exp()).mean()

    def losses(self, source: Tensor, target: Tensor, code: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Reconstruction and divergence, and the latent units."""
        mean, log_variance = self.posterior(source)
        z, losses = mean, {}
        if log_variance is not None:
            z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
            divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1).mean()
            losses["divergence"] = self.preset.beta * divergence
        losses["reconstruction"] = self.reconstruction_loss(self.decode(z, code), target)
        return losses, z

    def _get_inference_input(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"x": tensors[KEYS.X]}

    def inference(self, x: Tensor) -> dict[str, Tensor]:
        """Latent units."""
        return {"z": self.encode(x)}

    def _get_generative_input(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        return inference_outputs | {"code": tensors[KEYS.DESIGN]}

    def generative(self, z: Tensor, code: Tensor) -> dict[str, Tensor]:
        """Decoded cells."""
        return {"mean": self.decode(z, code)}

    def loss(self, tensors: dict[str, Tensor], *args: Any, **kwargs: Any) -> LossOutput:
        """Objective of a batch, without a discriminator."""
        losses, _ = self.losses(tensors[KEYS.X], tensors[KEYS.PERTURBED], tensors[KEYS.DESIGN])
        return LossOutput(loss=sum(losses.values()), n_obs_minibatch=len(tensors[KEYS.X]))


def _discriminator(n_in: int, n_hidden: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    sizes = [n_in, *n_hidden]
    for a, b in zip(sizes, sizes[1:], strict=False):
        linear = nn.utils.parametrizations.spectral_norm(nn.Linear(a, b))
        layers += [linear, nn.LeakyReLU(0.01), nn.Dropout(_DISCRIMINATOR_DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
