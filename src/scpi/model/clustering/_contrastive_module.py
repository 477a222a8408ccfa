"""Network of the contrastive model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from scpi.model.base._constants import KEYS
from scpi.model.clustering._contrastive_loss import contrastive_loss
from scpi.model.clustering._module import ClusteringModule, Losses
from scpi.model.clustering._networks import Encoder
from scpi.model.clustering._self_training import squared_distances

if TYPE_CHECKING:
    from torch import Tensor

    from scpi.model.clustering._presets import ContrastivePreset


class ContrastiveModule(ClusteringModule):
    """Encoder on the unit sphere that is trained to tell cells apart by two views of each."""

    preset: ContrastivePreset
    reads_counts = False
    has_target = False

    def __init__(self, n_genes: int, *, preset: ContrastivePreset, n_clusters: int, n_batches: int = 0) -> None:
        super().__init__(n_genes, preset=preset, n_clusters=n_clusters, n_batches=n_batches)
        self.encoder = Encoder([n_genes, *preset.n_hidden, preset.n_latent], batch_norm=True, unit_length=True)

    def logits(self, z: Tensor) -> Tensor:
        """Squared distances to the centroids over the temperature, with a minus."""
        return -squared_distances(z, self.centroids) / self.preset.temperature

    def start(self, x: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Start from the principal components of the input, which batch normalisation leaves as they are."""
        super().start(x, mean, variance)
        if self.preset.data_init:
            self.encoder.start_normalisation(self.view(x))

    def view(self, x: Tensor) -> Tensor:
        """A view of each cell: the input without the genes that it hides."""
        preset = self.preset
        if preset.augmentation is not None:
            x = self._augment(x)
        view = F.dropout(x, preset.dropout)
        return view + preset.noise * torch.randn_like(view) if preset.noise > 0 else view

    def _augment(self, x: Tensor) -> Tensor:
        """Change some genes of each cell."""
        mask = torch.rand_like(x) < self.preset.augmentation_share
        if self.preset.augmentation == "zero":
            return x.masked_fill(mask, 0.0)
        if self.preset.augmentation == "noise":
            return torch.where(mask, x + self.preset.augmentation_noise * torch.randn_like(x), x)
        return torch.where(mask, x[torch.randperm(len(x), device=x.device)], x)

    def representation_losses(self, tensors: dict[str, Tensor]) -> Losses:
        """The contrastive loss."""
        x = tensors[KEYS.INPUT]
        # The two views of a cell pass batch normalisation apart.
        first, second = self.encoder(self.view(x)), self.encoder(self.view(x))
        loss = contrastive_loss(
            first,
            second,
            temperature=self.preset.temperature,
            labels=tensors.get(KEYS.LABELS),
            weights=tensors.get(KEYS.WEIGHT),
        )
        return {"contrastive": loss}
