"""Networks of the autoencoder models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from scpi.model.base._constants import KEYS
from scpi.model.base.losses._count_likelihoods import negative_binomial_loss, zero_inflated_loss
from scpi.model.clustering._module import ClusteringModule, Losses
from scpi.model.clustering._networks import CountDecoder, Encoder
from scpi.model.clustering._self_training import self_training_loss, squared_distances, student_log_kernel

if TYPE_CHECKING:
    from torch import Tensor

    from scpi.model.clustering._presets import AutoencoderPreset

_START_DROPOUT = -3.0
_THETA_RANGE = 0.1, 100.0


class AutoencoderModule(ClusteringModule):
    """Denoising autoencoder of counts."""

    preset: AutoencoderPreset
    reads_counts = True

    def __init__(self, n_genes: int, *, preset: AutoencoderPreset, n_clusters: int, n_batches: int = 0) -> None:
        super().__init__(n_genes, preset=preset, n_clusters=n_clusters, n_batches=n_batches)
        self.n_genes = n_genes
        self.encoder = Encoder([n_genes, *preset.n_hidden, preset.n_latent], noise=preset.noise)
        self.decoder = CountDecoder(
            [preset.n_latent, *preset.n_hidden[::-1]], n_genes, zero_inflated=preset.likelihood == "zinb"
        )

    def start(self, x: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Start from principal components, and from distributions of the counts that hardly differ between cells."""
        super().start(x, mean, variance)
        if self.preset.data_init:
            theta = mean.square() / (variance - mean).clamp(min=1e-6)
            self.decoder.start_from(mean, theta.clamp(*_THETA_RANGE), _START_DROPOUT)

    def reconstruction_loss(self, tensors: dict[str, Tensor]) -> Tensor:
        """Mean negative log-likelihood of counts that are decoded from noisy input."""
        counts, genes = tensors[KEYS.X], None
        exposure = self.transform.exposure(counts, tensors.get(KEYS.SIZE_FACTOR), tensors.get(KEYS.BATCH))
        if self.preset.n_loss_genes is not None and self.preset.n_loss_genes < self.n_genes and self.training:
            genes = torch.randperm(self.n_genes)[: self.preset.n_loss_genes].sort().values.to(counts.device)
            counts, exposure = counts[:, genes], exposure if exposure.shape[1] == 1 else exposure[:, genes]
        z = self.encoder(tensors[KEYS.INPUT], noisy=self.training)
        log_mean, theta, dropout = self.decoder(z, exposure, genes)
        if dropout is None:
            return negative_binomial_loss(counts, log_mean, theta).mean()
        return zero_inflated_loss(counts, log_mean, theta, dropout, ridge=self.preset.ridge).mean()

    def representation_losses(self, tensors: dict[str, Tensor]) -> Losses:
        """The reconstruction."""
        return {"reconstruction": self.reconstruction_loss(tensors)}


class SCDeepClusterModule(AutoencoderModule):
    """Autoencoder with deep embedded clustering."""

    has_target = True

    def logits(self, z: Tensor) -> Tensor:
        """Logarithms of the kernel of Student's t distribution at the centroids."""
        return student_log_kernel(squared_distances(z, self.centroids))

    def clustering_losses(self, tensors: dict[str, Tensor], target: Tensor | None) -> Losses:
        """The reconstruction, and the divergence of the soft assignments from their targets."""
        assert target is not None
        z = self.encode(tensors[KEYS.INPUT])
        divergence = self_training_loss(target, torch.log_softmax(self.logits(z), 1))
        return self.representation_losses(tensors) | {"clustering": self.preset.cluster_weight * divergence}


class SCZIDeskModule(AutoencoderModule):
    """Autoencoder with weighted soft k-means and self-training of pairwise similarities."""

    has_target = False

    def logits(self, z: Tensor) -> Tensor:
        """Twice the squared distances to the centroids, with a minus."""
        return -2.0 * squared_distances(z, self.centroids)
