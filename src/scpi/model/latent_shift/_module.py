"""The variational autoencoder whose latent space is moved in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from scvi.module.base import BaseModuleClass, LossOutput, auto_move_data
from scvi.nn import Encoder, FCLayers
from torch import nn
from torch.distributions import Distribution, Normal, kl_divergence

from scpi.model.base._constants import KEYS
from scpi.model.base.prediction._profile_buffers import ProfileBuffers

if TYPE_CHECKING:
    from torch import Tensor

    from scpi.model.latent_shift._presets import ShiftPreset


class ShiftVAE(BaseModuleClass):
    """Variational autoencoder of log-normalised expression with a squared error."""

    def __init__(self, n_genes: int, *, preset: ShiftPreset) -> None:
        super().__init__()
        self.kl_weight, self.residual = preset.kl_weight, preset.residual
        layers = {
            "n_layers": preset.n_layers,
            "n_hidden": preset.n_hidden,
            "dropout_rate": preset.dropout,
            "activation_fn": nn.LeakyReLU,
        }
        self.z_encoder = Encoder(n_genes, preset.n_latent, return_dist=True, **layers)
        self.decoder = (
            nn.Sequential(
                nn.Linear(preset.n_latent, n_genes),
                # Momentum and offset of those in the hidden layers
                nn.BatchNorm1d(n_genes, momentum=0.01, eps=0.001),
            )
            if preset.linear_decoder
            else nn.Sequential(
                FCLayers(preset.n_latent, preset.n_hidden, **layers), nn.Linear(preset.n_hidden, n_genes)
            )
        )
        self.kept = ProfileBuffers(more=["latent_least", "latent_most"])

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the latent units, (n_cells, n_latent), without a draw."""
        mean: Tensor = self.z_encoder.mean_encoder(self.z_encoder.encoder(x))
        return mean

    def decode(self, z: Tensor) -> Tensor:
        """Expression of latent units, (n_cells, n_genes)."""
        expression: Tensor = self.decoder(z)
        return expression

    def move(self, x: Tensor, shift: Tensor) -> Tensor:
        """Expression of cells after shifting their latent units by (n_cells, n_latent)."""
        z = self.encode(x)
        moved = self.decode(z + shift)
        return x + (moved - self.decode(z)) if self.residual else moved

    def _get_inference_input(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"x": tensors[KEYS.X]}

    @auto_move_data
    def inference(self, x: Tensor) -> dict[str, Tensor | Distribution]:
        """Distribution of the latent units and a draw from it."""
        distribution, z = self.z_encoder(x)
        return {"distribution": distribution, "z": z}

    def _get_generative_input(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        return {"z": inference_outputs["z"]}

    @auto_move_data
    def generative(self, z: Tensor) -> dict[str, Tensor]:
        """Expression of latent units."""
        return {"mean": self.decode(z)}

    def loss(
        self,
        tensors: dict[str, Tensor],
        inference_outputs: dict[str, Distribution],
        generative_outputs: dict[str, Tensor],
    ) -> LossOutput:
        """Half of the squared error of a cell and of its weighted divergence from a standard normal distribution."""
        distribution = inference_outputs["distribution"]
        error = 0.5 * (tensors[KEYS.X] - generative_outputs["mean"]).square().sum(1)
        prior = Normal(torch.zeros_like(distribution.mean), torch.ones_like(distribution.mean))
        divergence = 0.5 * self.kl_weight * kl_divergence(distribution, prior).sum(1)
        return LossOutput(loss=(error + divergence).mean(), reconstruction_loss=error, kl_local=divergence)
