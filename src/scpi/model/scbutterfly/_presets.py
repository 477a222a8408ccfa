"""Settings that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scpi.model.base.training._presets import Rules, TrainingPreset

if TYPE_CHECKING:
    from scpi.model.base.loading._transport import Pairing, PlanMethod


@dataclass(frozen=True, kw_only=True)
class Preset(TrainingPreset):
    """Architecture, objective and schedule; the defaults are those published.

    Attributes
    ----------
    control_hidden, treated_hidden
        Units of the hidden layers of the encoder of each domain; those of its decoder are the same in reverse.
    n_latent
        Units of the embeddings that the encoders give and the decoders read.
    n_translator
        Units between encoders and decoders, which have a normal posterior.
    dropout, noise
        Fraction of hidden units that are silenced in training, and of genes that encoders do not see in training.
    plain_output
        Decoders end in a linear layer instead of one with normalisation and a leaky rectifier, as published.
    data_init
        The linear layers at the end of the decoders start from the mean expression of their domain.
    keep_residual
        A prediction is the cell plus the decoded change instead of the decoded cell, as published.
    kl_weight, kl_warmup
        Weight of the Kullback-Leibler term of a domain, over the number of genes, and epochs of a phase over which it
        rises from 0; twice that in the joint phase.
    adversarial_weight, adversarial_limit
        Weight of the loss of the discriminators in that of the networks, which raise it. The discriminators count while
        the sum of their losses is below the limit; at twice the logarithm of 2 they know nothing.
    pairing
        Partner of a control cell: the treated cell that gets most of its mass (``"largest"``), one that no other cell
        has (``"assignment"``), or one drawn from its mass (``"sample"``).
    transport, n_components, max_cells
        Optimal transport between the domains of a context: method, principal components, and cells in each domain above
        which a context is divided.
    discriminator_lr
        Learning rate of stochastic gradient descent for the discriminators, beside that of Adam for the networks.
    max_epochs, pretrain_epochs
        Maximum number of epochs of the joint phase, and of the phase of each domain before it: half as many if
        ``None``, as published; no such phase with 0.
    restore_best, early_stopping
        Of each phase for itself, by the squared error of the validation pairs.
    """

    control_hidden: tuple[int, ...] = (256,)
    treated_hidden: tuple[int, ...] = (128,)
    n_latent: int = 128
    n_translator: int = 128
    dropout: float = 0.1
    noise: float = 0.5
    plain_output: bool = False
    data_init: bool = False
    keep_residual: bool = False
    kl_weight: float = 20.0
    kl_warmup: int = 50
    adversarial_weight: float = 1.0
    adversarial_limit: float = 1.35
    pairing: Pairing = "largest"
    transport: PlanMethod = "exact"
    n_components: int = 50
    max_cells: int = 5000
    discriminator_lr: float = 5e-3
    batch_size: int = 64
    train_size: float = 0.8
    max_epochs: int = 200
    pretrain_epochs: int | None = None
    restore_best: bool = True
    early_stopping: bool | None = None
    patience: int = 50


PRESETS = {
    # Chosen by leaving out one training context after the other: what is decoded is the change and not the cell
    "scpi": Preset(plain_output=True, data_init=True, keep_residual=True, max_epochs=60),
    "published": Preset(),
}

RULES = Rules(
    choices={"pairing": ("largest", "assignment", "sample"), "transport": ("exact", "entropic")},
    least={
        "n_latent": 1,
        "n_translator": 1,
        "kl_weight": 0,
        "kl_warmup": 0,
        "adversarial_weight": 0,
        "adversarial_limit": 0,
        "n_components": 1,
        "max_cells": 1,
        "batch_size": 2,
        "max_epochs": 1,
        "pretrain_epochs": 0,
        "patience": 1,
    },
    positive=("lr", "discriminator_lr"),
    shares=("dropout", "noise"),
)
