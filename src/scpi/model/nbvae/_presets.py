"""Presets: settings of scvi-tools, and those of the publication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from scpi.model.base.training._presets import Rules, TrainingPreset

Scale = Literal["softmax", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class Preset(TrainingPreset):
    """Network, objective and training.

    Attributes
    ----------
    n_latent
        Number of latent units.
    encoder_hidden, decoder_hidden
        Units of the hidden layers, in the order from input to output.
    batch_norm, dropout
        Whether hidden layers have batch normalisation, and the dropout rate of the encoder.
    log_input
        Whether the encoder reads log1p of the counts instead of the counts.
    encode_covariates
        Whether the encoder reads the covariates, as the decoder does.
    deep_covariates
        Whether every hidden layer reads the categorical covariates, or only the first.
    scale
        How expected counts follow from the output: ``"softmax"`` times the total of the cell, or ``"sigmoid"`` times
        its largest count. With a registered size factor, they are the softplus of the output times the size factor.
    theta
        Initial inverse overdispersion of all genes; random values around 1 if ``None``.
    kl_warmup, kl_start
        Number of epochs over which the weight of the KL divergence from the prior rises from ``kl_start`` to 1. The
        search for the best epoch, and early stopping, begin after them.
    gene_weight
        Factor of the loss of the ``weighted_genes`` of the model.
    task_weight
        Weight of the cross-entropy of the labels, if they are registered.
    weight_decay, eps
        Parameters of the optimiser.
    max_epochs
        Maximum number of epochs. If ``None``, the default of scvi-tools for the number of cells, limited to ``n_steps``
        steps.
    n_steps
        Maximum number of training steps; the warm-up takes at most a quarter of them. No limit if ``None``.
    """

    n_latent: int = 10
    encoder_hidden: tuple[int, ...] = (128,)
    decoder_hidden: tuple[int, ...] = (128,)
    batch_norm: bool = True
    dropout: float = 0.1
    log_input: bool = True
    encode_covariates: bool = True
    deep_covariates: bool = True
    scale: Scale = "softmax"
    theta: float | None = None
    kl_warmup: int = 400
    kl_start: float = 0.0
    gene_weight: float = 20.0
    task_weight: float = 1.0
    weight_decay: float = 1e-6
    eps: float = 0.01
    max_epochs: int | None = None
    n_steps: int | None = None


PRESETS = {
    "scpi": Preset(kl_warmup=50, n_steps=8000, restore_best=True, early_stopping=None, patience=45),
    "scvi": Preset(),
    "op3": Preset(
        n_latent=5,
        encoder_hidden=(1024, 256),
        decoder_hidden=(256, 1024),
        batch_norm=False,
        dropout=0.0,
        log_input=False,
        deep_covariates=False,
        scale="sigmoid",
        theta=2.0,
        kl_warmup=50,
        # The published weight begins at 1e-5 for each epoch of the warm-up
        kl_start=50e-5,
        weight_decay=0.0,
        eps=1e-8,
        batch_size=8192,
        train_size=0.97,
        restore_best=True,
        early_stopping=None,
        patience=3,
    ),
}

RULES = Rules(
    choices={"scale": get_args(Scale)},
    least={
        "n_latent": 1,
        "kl_warmup": 0,
        "kl_start": 0.0,
        "gene_weight": 0.0,
        "task_weight": 0.0,
        "weight_decay": 0.0,
        "max_epochs": 1,
        "n_steps": 1,
        "batch_size": 2,
        "patience": 1,
    },
    positive=("lr", "eps", "train_size"),
    shares=("dropout",),
)
