"""Settings that the clustering networks take by keyword, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from scpi.model.base.loading._input_transform import Transform
    from scpi.model.clustering._presets import Augmentation, Likelihood, Optimizer


class Settings(TypedDict, total=False):
    """Attributes of the preset that are no arguments of their own."""

    transform: Transform
    n_hidden: tuple[int, ...]
    data_init: bool
    batch_size: int
    shuffle: bool
    max_epochs: int | None
    n_steps: int
    optimizer: Optimizer
    lr: float
    cosine_epochs: int | None
    patience: int | None
    max_cluster_epochs: int
    cluster_optimizer: Optimizer
    cluster_lr: float
    cluster_weight: float
    similarity_weight: float
    tolerance: float
    dropout: float
    noise: float
    augmentation: Augmentation | None
    augmentation_share: float
    augmentation_noise: float
    temperature: float
    likelihood: Likelihood
    ridge: float
    n_loss_genes: int | None
