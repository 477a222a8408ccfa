"""The two phases of training a clustering network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from scpi.model.base._constants import KEYS
from scpi.model.base.losses._schedules import half_cosine
from scpi.model.base.training._best import Best
from scpi.model.base.training._plan import NetworkPlan
from scpi.model.clustering._centroids import find_centroids, kmeans
from scpi.model.clustering._self_training import target_distribution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.clustering._centroids import FindClusters
    from scpi.model.clustering._module import ClusteringModule, Losses
    from scpi.model.clustering._presets import Optimizer

_FINAL_LR = 1e-3


class ClusteringPlan(NetworkPlan):
    """Learns an embedding first, then finds centroids, and lets both sharpen each other in a second phase.

    The first phase has ``n_epochs`` epochs, the second ``n_cluster_epochs``. With ``n_clusters=None`` the number of
    clusters is found by ``find_clusters`` at ``resolution``; ``seed`` is that of k-means.
    """

    def __init__(
        self,
        module: ClusteringModule,
        *,
        data: CellSplitter,
        n_epochs: int,
        n_cluster_epochs: int,
        n_clusters: int | None,
        find_clusters: FindClusters,
        resolution: float,
        seed: int,
    ) -> None:
        # Each phase has an optimiser of its own.
        super().__init__(module)
        self.data, self.n_epochs, self.n_cluster_epochs = data, n_epochs, n_cluster_epochs
        self.n_clusters, self.find_clusters, self.resolution = n_clusters, find_clusters, resolution
        self.seed = seed
        self._clustering_since: int | None = None
        self._target: Tensor | None = None
        self._labels: NDArray[np.intp] | None = None
        self._best = Best(epoch=0)
        self._converged = False

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimiser of the first phase."""
        network = [parameter for name, parameter in self.module.named_parameters() if name != "centroids"]
        return _optimizer(self.preset.optimizer, network, self.preset.lr)

    def on_train_epoch_start(self) -> None:
        """Set the learning rate, or begin the second phase where it is due."""
        if self._clustering_since is not None:
            return
        if self.current_epoch >= self.n_epochs or self._converged:
            self._begin_clustering()
            return
        horizon = self.n_epochs if self.preset.cosine_epochs is None else self.preset.cosine_epochs
        factor = half_cosine(self.current_epoch / horizon, final=_FINAL_LR) if horizon else 1.0
        for group in self._optimizers()[0].param_groups:
            group["lr"] = self.preset.lr * factor

    def _begin_clustering(self) -> None:
        """Find the centroids, and hand over to the second optimiser."""
        self._clustering_since, preset = self.current_epoch, self.preset
        self.place_centroids()
        self.trainer.optimizers = [_optimizer(preset.cluster_optimizer, self.module.parameters(), preset.cluster_lr)]
        self._assign()

    def place_centroids(self) -> None:
        """Find the centroids of the embedding."""
        z = self._embedding().cpu().numpy()
        if self.n_clusters is not None:
            centroids = kmeans(z, self.n_clusters, seed=self.seed)
        else:
            centroids = find_centroids(z, method=self.find_clusters, resolution=self.resolution, seed=self.seed)
        self.module.set_centroids(torch.from_numpy(centroids))

    @torch.no_grad()
    def _embedding(self) -> Tensor:
        """Embedding of the training cells."""
        was_training = self.module.training
        self.module.eval()
        z = torch.cat([self.module.encode(x.to(self.device)) for x in self.data.training_inputs()])
        self.module.train(was_training)
        return z

    @torch.no_grad()
    def _assign(self) -> float:
        """Assign the cells to the clusters; returns the fraction of them whose cluster has changed."""
        soft = torch.softmax(self.module.logits(self._embedding()), 1)
        labels = soft.argmax(1).cpu().numpy()
        changed = 1.0 if self._labels is None else float(np.mean(labels != self._labels))
        self._labels = labels
        if self.module.has_target:
            self._target = torch.zeros(len(self.data.dataset), soft.shape[1], device=soft.device)
            self._target[torch.from_numpy(self.data.train_idx).to(soft.device)] = target_distribution(soft)
        return changed

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step of the phase."""
        losses = self._losses(batch)
        loss = torch.stack(list(losses.values())).sum()
        self._descend(loss, self._optimizers())
        self._metrics.add({"objective": loss, **losses})

    def _losses(self, batch: dict[str, Tensor]) -> Losses:
        if self._clustering_since is None:
            return self.module.representation_losses(batch)
        target = None if self._target is None else self._target[batch[KEYS.INDEX]]
        return self.module.clustering_losses(batch, target)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Objective of the first phase on cells that are not trained on."""
        loss = torch.stack(list(self.module.representation_losses(batch).values())).sum()
        self._log_validation(loss, len(batch[KEYS.INPUT]), "objective")

    def on_train_epoch_end(self) -> None:
        """Log the epoch, and stop where the clusters have settled."""
        means = self._metrics.take()
        metrics = {f"{name}_train": value for name, value in means.items()}
        if self._clustering_since is None:
            self._watch(means["objective"])
        else:
            metrics["label_change"] = self._assign()
            n_done = self.current_epoch + 1 - self._clustering_since
            if metrics["label_change"] <= self.preset.tolerance or n_done >= self.n_cluster_epochs:
                self.trainer.should_stop = True
        self.log_dict(metrics)

    def _watch(self, objective: float) -> None:
        """End the first phase where its objective has not fallen for long."""
        self._best.update(objective, self.current_epoch)
        patience = self.preset.patience
        self._converged = patience is not None and self.current_epoch - self._best.epoch >= patience
        if self._converged and not self.n_cluster_epochs:
            self.trainer.should_stop = True

    def on_train_end(self) -> None:
        """Find the centroids if there was no second phase."""
        if self._clustering_since is None:
            self.place_centroids()


def _optimizer(name: Optimizer, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
    if name == "adadelta":
        return torch.optim.Adadelta(parameters, lr=lr, rho=0.95, eps=1e-7)
    return torch.optim.Adam(parameters, lr=lr, amsgrad=name == "amsgrad")
