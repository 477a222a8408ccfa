"""Base class of the clustering networks."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from scpi.model.base._constants import KEYS
from scpi.model.base.loading._input_transform import InputTransform
from scpi.model.base.training._plan_module import PlanModule
from scpi.model.clustering._components import principal_components
from scpi.model.clustering._self_training import pairwise_similarity_loss, squared_distances, weighted_kmeans_loss

if TYPE_CHECKING:
    from scpi.model.clustering._networks import Encoder
    from scpi.model.clustering._presets import Preset

Losses = dict[str, Tensor]

_LEAST_SCALE = 1e-3


class ClusteringModule(PlanModule):
    """Network with an encoder and with centroids in its latent space; 0 clusters have yet to be found."""

    encoder: Encoder
    reads_counts: bool
    """Whether the losses need the counts, and not only the input."""
    has_target: bool
    """Whether the second phase pulls towards targets that are fixed for an epoch."""

    def __init__(self, n_genes: int, *, preset: Preset, n_clusters: int, n_batches: int = 0) -> None:
        super().__init__()
        self.preset = preset
        self.transform = InputTransform(n_genes, preset.transform, n_batches=n_batches)
        self.centroids = nn.Parameter(torch.zeros(n_clusters, preset.n_latent))

    @torch.no_grad()
    def set_centroids(self, centroids: Tensor) -> None:
        """Take other centroids, in any number."""
        self.centroids = nn.Parameter(centroids.to(self.centroids))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # The number of clusters may have been found in training.
        saved = state_dict.get(f"{prefix}centroids")
        if saved is not None and saved.shape != self.centroids.shape:
            self.centroids = nn.Parameter(torch.zeros_like(saved, device=self.centroids.device))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def encode(self, x: Tensor) -> Tensor:
        """Embedding of cells from their input, without noise."""
        return self.encoder(x)

    @abstractmethod
    def logits(self, z: Tensor) -> Tensor:
        """Logits of the clusters, whose softmax are the soft assignments."""

    def start(self, x: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Start from the input ``x`` of training cells, and moments of the counts of each gene at median depth."""
        if self.preset.data_init:
            components, deviations = principal_components(x, self.preset.n_latent)
            # The last of them is taken for noise, whose scale is to be 1.
            self.encoder.start_from(components, float(deviations[-1].clamp(min=_LEAST_SCALE)))

    @abstractmethod
    def representation_losses(self, tensors: dict[str, Tensor]) -> Losses:
        """Terms of the objective of the first phase, weighted."""

    def clustering_losses(self, tensors: dict[str, Tensor], target: Tensor | None) -> Losses:
        """Terms of the second phase, weighted; soft k-means and pairwise similarity by default."""
        z = self.encode(tensors[KEYS.INPUT])
        return self.representation_losses(tensors) | {
            "kmeans": self.preset.cluster_weight * weighted_kmeans_loss(squared_distances(z, self.centroids)),
            "similarity": self.preset.similarity_weight * pairwise_similarity_loss(z),
        }
