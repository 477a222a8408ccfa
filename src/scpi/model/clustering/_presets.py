"""Presets: scpi's own settings, and those of the publications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from scpi.model.base.loading._input_transform import Transform
from scpi.model.base.training._presets import Rules

Optimizer = Literal["adam", "amsgrad", "adadelta"]
Augmentation = Literal["zero", "value", "noise"]
Likelihood = Literal["zinb", "nb"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Architecture, objective and schedule shared by all clustering networks.

    Attributes
    ----------
    transform
        Input of the network: ``"pearson"`` residuals or standardised ``"log"`` counts.
    n_hidden
        Units of the hidden layers of the encoder.
    n_latent
        Number of dimensions of the embedding.
    data_init
        Whether to initialise from principal components of the input and, in a decoder, from the mean and dispersion of
        each gene.
    batch_size
        Maximum number of cells in a batch; the cells are divided evenly among the batches.
    shuffle
        Whether batches are shuffled in every epoch.
    max_epochs
        Number of epochs of the first phase, which learns the embedding; if ``None``, the number with ``n_steps`` steps.
    n_steps
        Number of steps of the first phase if ``max_epochs`` is ``None``.
    optimizer, lr
        Optimiser of the first phase, and its learning rate.
    cosine_epochs
        Number of epochs over which the learning rate decays to 0.1 % along a half cosine: ``None`` for all epochs, 0
        for a constant rate.
    patience
        Number of epochs without a lower loss after which the first phase stops; ``None`` to never stop early.
    max_cluster_epochs
        Maximum number of epochs of the second phase, which refines the clusters.
    cluster_optimizer, cluster_lr
        Optimiser of the second phase, and its learning rate.
    cluster_weight, similarity_weight
        Weights of the clustering term and of the pairwise similarity in the second phase.
    tolerance
        The second phase ends when at most this fraction of the cells changes its cluster from one epoch to the next.
    """

    transform: Transform = "pearson"
    n_hidden: tuple[int, ...] = (256, 64)
    n_latent: int = 16
    data_init: bool = True
    batch_size: int = 256
    shuffle: bool = True
    max_epochs: int | None = None
    n_steps: int = 150
    optimizer: Optimizer = "adam"
    lr: float = 5e-4
    cosine_epochs: int | None = None
    patience: int | None = None
    max_cluster_epochs: int = 0
    cluster_optimizer: Optimizer = "adam"
    cluster_lr: float = 2e-4
    cluster_weight: float = 0.1
    similarity_weight: float = 1e-3
    tolerance: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class ContrastivePreset(Preset):
    """Settings of the contrastive network.

    Attributes
    ----------
    dropout
        Fraction of the genes of a cell that a view masks; the others are scaled up.
    noise
        Standard deviation of Gaussian noise that is added to each view.
    augmentation
        Augmentation of a random subset of the genes of a view: set to ``"zero"``, replace by the ``"value"`` of another
        cell, or add ``"noise"``; ``None`` for no augmentation.
    augmentation_share
        Fraction of the genes in that subset.
    augmentation_noise
        Standard deviation of the added noise.
    temperature
        Temperature of the loss and of the soft assignments.
    """

    n_hidden: tuple[int, ...] = (200, 40)
    n_steps: int = 100
    lr: float = 3e-4
    dropout: float = 0.9
    noise: float = 0.0
    augmentation: Augmentation | None = None
    augmentation_share: float = 0.1
    augmentation_noise: float = 0.01
    temperature: float = 0.2


@dataclass(frozen=True, kw_only=True)
class AutoencoderPreset(Preset):
    """Settings of the autoencoders.

    Attributes
    ----------
    likelihood
        ``"zinb"`` or ``"nb"``.
    ridge
        Weight of the squared dropout probability of a count.
    noise
        Standard deviation of the noise at the input and at each hidden layer of the encoder.
    n_loss_genes
        Number of genes whose likelihood is computed in a step, drawn anew for each step; ``None`` for all.
    """

    likelihood: Likelihood = "zinb"
    ridge: float = 0.0
    noise: float = 1.0
    n_loss_genes: int | None = 512
    cluster_weight: float = 1.0
    similarity_weight: float = 0.0


_PUBLISHED_AUTOENCODER: dict[str, Any] = {
    "transform": "log",
    "n_latent": 32,
    "shuffle": False,
    "cosine_epochs": 0,
    "data_init": False,
    "n_loss_genes": None,
}

CONTRASTIVE: dict[str, ContrastivePreset] = {
    "scpi": ContrastivePreset(),
    "published": ContrastivePreset(
        transform="log",
        n_latent=60,
        data_init=False,
        batch_size=200,
        max_epochs=300,
        lr=0.4,
        cosine_epochs=500,
        temperature=0.07,
    ),
}

SCDEEPCLUSTER: dict[str, AutoencoderPreset] = {
    "scpi": AutoencoderPreset(max_cluster_epochs=30, cluster_weight=0.2),
    "published": AutoencoderPreset(
        **_PUBLISHED_AUTOENCODER,
        noise=2.5,
        max_epochs=600,
        lr=1e-3,
        optimizer="amsgrad",
        patience=50,
        max_cluster_epochs=2000,
        cluster_optimizer="adadelta",
        cluster_lr=1.0,
    ),
}

SCZIDESK: dict[str, AutoencoderPreset] = {
    "scpi": AutoencoderPreset(ridge=1.0, max_cluster_epochs=30, cluster_weight=0.01, similarity_weight=1e-4),
    "published": AutoencoderPreset(
        **_PUBLISHED_AUTOENCODER,
        ridge=1.0,
        noise=0.0,
        max_epochs=1000,
        lr=1e-4,
        max_cluster_epochs=2000,
        cluster_lr=1e-4,
        cluster_weight=1e-3,
        similarity_weight=1e-3,
    ),
}


RULES = Rules(
    choices={
        "transform": get_args(Transform),
        "optimizer": get_args(Optimizer),
        "cluster_optimizer": get_args(Optimizer),
        "augmentation": (None, *get_args(Augmentation)),
        "likelihood": get_args(Likelihood),
    },
    least={"n_latent": 1, "batch_size": 2, "n_steps": 1, "max_epochs": 1, "patience": 1, "n_loss_genes": 1},
    positive=("lr", "cluster_lr", "temperature"),
    shares=("dropout", "augmentation_share"),
)
