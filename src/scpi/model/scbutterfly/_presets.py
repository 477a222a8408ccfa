"""Presets: scpi's own settings, and those of the publication."""

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
        Units of the hidden layers of the encoder of each domain; reversed in its decoder.
    n_latent
        Number of units of the embeddings between encoders, translator and decoders.
    n_translator
        Number of units of the translator, which have a normal posterior.
    dropout, noise
        Dropout rate of the hidden units, and fraction of the genes that is masked in the input during training.
    plain_output
        Whether decoders end in a linear layer instead of one with normalisation and leaky ReLU, as published.
    data_init
        Whether the last linear layers of the decoders are initialised with the mean expression of their domain.
    keep_residual
        Whether a prediction is the cell plus the decoded change, instead of the decoded cell, as published.
    kl_weight, kl_warmup
        Weight of the KL divergence of a domain, divided by the number of genes, and number of epochs of a phase over
        which it rises from 0; twice that number in the joint phase.
    adversarial_weight, adversarial_limit
        Weight of the adversarial loss of the networks. Discriminators are used only while the sum of their losses is
        below the limit; an uninformative discriminator has a sum of 2 log 2.
    pairing
        Partner of a control cell: the treated cell with most of its transported mass (``"largest"``), a one-to-one
        ``"assignment"``, or a cell sampled in proportion to the mass (``"sample"``).
    transport, n_components, max_cells
        Optimal transport between the domains of a context: method, number of principal components, and number of cells
        per domain above which a context is split.
    discriminator_lr
        Learning rate of stochastic gradient descent for the discriminators; the networks use Adam.
    max_epochs, pretrain_epochs
        Maximum number of epochs of the joint phase, and of the preceding phase of each domain: half as many if
        ``None``, as published; no such phase with 0.
    restore_best, early_stopping
        Applied to each phase separately, with the squared error of the validation pairs.
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
    # Chosen by leaving out each training context in turn; the decoded change is added to the cell
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
