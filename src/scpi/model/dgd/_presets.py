"""Presets: scpi's own settings, and those of the publication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from scpi.model.base.training._presets import Rules
from scpi.model.dgd._mixture import Covariance

Activation = Literal["softmax", "softplus", "sigmoid"]
Library = Literal["sum", "max"]
Start = Literal["pca", "zeros"]
Posterior = Literal["point", "normal"]
Update = Literal["batch", "epoch"]
PriorWeight = Literal["once", "per_sample"]
Supervise = Literal["mixture", "head", "both"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Architecture, priors and schedule.

    Attributes
    ----------
    n_latent
        Dimensions of the representations.
    n_hidden
        Units of the hidden layers of the decoder.
    dropout
        Dropout rate of the hidden units of the decoder.
    activation
        Function that turns the output of the decoder into fractions of the depth of a cell: ``"softmax"`` (the
        fractions sum to 1), ``"softplus"`` or ``"sigmoid"``.
    library
        Depth of a cell if the setup has none: the ``"sum"`` or the ``"max"`` of its counts.
    covariance
        Covariance of the components: ``"fixed"``, ``"isotropic"`` or ``"diagonal"``.
    radius, hardness
        Parameters of the softball prior of the component means.
    component_sd, sd_spread
        Expected standard deviation of the components (if ``None``, a fifth of the radius divided by their number), and
        the standard deviation of the logarithm of their precisions.
    concentration
        Concentration of the Dirichlet prior of the component weights.
    prior_weight
        Whether the prior of the mixture counts ``"once"``, or, as published, ``"per_sample"``.
    supervise
        Use of labels. ``"mixture"``: a cell comes from the components of its label. ``"head"``: labels are predicted
        from the representations. ``"both"`` does both.
    task_weight
        Weight of the cross-entropy of that prediction.
    posterior
        Whether the representation of a cell is a ``"point"``, as published, or the mean of a ``"normal"`` distribution
        with learned standard deviations that all cells share. Points can shrink without limit, because the decoder can
        compensate, so that the mixture does not determine their scale.
    start
        Initial representations: principal components of the log expression (``"pca"``), or ``"zeros"``.
    update
        Whether representations are updated after each ``"batch"``, or, as published, after each ``"epoch"``.
    search_epoch
        Fraction of the training with a single component of standard deviation ``component_sd`` as the prior. Then the
        mixture is fitted to the representations and its number of components chosen.
    most_components
        Largest number of components to try.
    lr, representation_lr, mixture_lr
        Learning rates of the decoder, the representations and the mixture.
    decoder_betas, betas
        Betas of Adam for the decoder, and for representations and mixture.
    weight_decay
        Weight decay of the decoder.
    anneal
        Whether the learning rates decay to zero.
    batch_size
        Cells in a batch.
    max_epochs
        Maximum number of epochs; if ``None``, the number with ``n_steps`` steps, between ``least_epochs`` and 400.
    n_steps, least_epochs
        Number of training steps, and minimum number of epochs.
    train_size
        Fraction of the cells to train on.
    check_every, patience
        Number of epochs between validations, and of validations without improvement before early stopping.
    """

    n_latent: int = 20
    n_hidden: tuple[int, ...] = (100, 100, 100)
    dropout: float = 0.0
    activation: Activation = "softmax"
    library: Library = "sum"
    covariance: Covariance = "diagonal"
    radius: float = 1.0
    hardness: float = 5.0
    component_sd: float | None = 0.5
    sd_spread: float = 1.0
    concentration: float = 1.0
    prior_weight: PriorWeight = "once"
    supervise: Supervise = "mixture"
    task_weight: float = 1.0
    posterior: Posterior = "normal"
    start: Start = "pca"
    update: Update = "batch"
    search_epoch: float = 0.5
    most_components: int = 30
    lr: float = 3e-3
    representation_lr: float = 0.05
    mixture_lr: float = 0.01
    decoder_betas: tuple[float, ...] = (0.9, 0.99)
    betas: tuple[float, ...] = (0.5, 0.9)
    weight_decay: float = 0.0
    anneal: bool = True
    batch_size: int = 128
    max_epochs: int | None = None
    n_steps: int = 4000
    least_epochs: int = 25
    train_size: float = 0.9
    check_every: int = 5
    patience: int = 10


PRESETS: dict[str, Preset] = {
    "scpi": Preset(),
    "published": Preset(
        activation="softplus",
        hardness=1.0,
        component_sd=None,
        prior_weight="per_sample",
        posterior="point",
        start="zeros",
        update="epoch",
        lr=1e-3,
        representation_lr=1e-2,
        mixture_lr=1e-2,
        decoder_betas=(0.5, 0.7),
        betas=(0.5, 0.7),
        weight_decay=1e-4,
        anneal=False,
        batch_size=256,
        max_epochs=500,
    ),
}

RULES = Rules(
    choices={
        "activation": get_args(Activation),
        "library": get_args(Library),
        "covariance": get_args(Covariance),
        "prior_weight": get_args(PriorWeight),
        "supervise": get_args(Supervise),
        "posterior": get_args(Posterior),
        "start": get_args(Start),
        "update": get_args(Update),
    },
    least={
        "n_latent": 1,
        "component_sd": 1e-3,
        "task_weight": 0,
        "most_components": 1,
        "weight_decay": 0,
        "batch_size": 1,
        "max_epochs": 1,
        "n_steps": 1,
        "least_epochs": 1,
        "check_every": 1,
        "patience": 1,
    },
    positive=(
        "radius",
        "hardness",
        "sd_spread",
        "concentration",
        "lr",
        "representation_lr",
        "mixture_lr",
        "train_size",
    ),
    shares=("dropout", "search_epoch"),
)
