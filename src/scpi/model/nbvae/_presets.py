"""Settings that belong together: those of scvi-tools, and those of the publication."""

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
        Latent units.
    encoder_hidden, decoder_hidden
        Units of the hidden layers, in the order in which they are passed.
    batch_norm, dropout
        Batch normalisation of the hidden layers, and dropout rate of those of the encoder.
    log_input
        Whether the encoder reads log1p of the counts, or the counts.
    encode_covariates
        Whether the encoder reads the covariates, beside the decoder.
    deep_covariates
        Whether every hidden layer reads the categorical covariates, or only the first.
    scale
        How expected counts come from the output: ``"softmax"`` times the total of the cell, or ``"sigmoid"`` times its
        largest count. With a registered size factor, it is the softplus of the output times the size factor.
    theta
        Inverse overdispersion that all genes start from; random values around 1 if ``None``.
    kl_warmup, kl_start
        Epochs over which the weight of the divergence from the prior rises from ``kl_start`` to 1. The best epoch and
        early stopping are looked for after them.
    gene_weight
        Factor of the loss of the genes that the model was given as ``weighted_genes``.
    task_weight
        Weight of the cross-entropy of the labels, if they are registered.
    weight_decay, eps
        Of the optimiser.
    max_epochs
        Maximum number of epochs; that of scvi-tools for the number of cells if ``None``, but no more than have
        ``n_steps`` steps.
    n_steps
        Steps of training, of which the warm-up takes a quarter at most; any number if ``None``.
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
