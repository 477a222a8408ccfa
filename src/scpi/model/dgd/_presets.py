"""Settings that belong together: scpi's own, and those of the publication."""

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
        Fraction of the hidden units that a step of the decoder leaves out.
    activation
        What turns the output of the decoder into fractions of the depth of a cell: ``"softmax"``, under which they sum
        to 1, ``"softplus"`` or ``"sigmoid"``.
    library
        The depth of a cell where the setup has none: the ``"sum"`` or the ``"max"`` of its counts.
    covariance
        Of the components: ``"fixed"``, ``"isotropic"`` or ``"diagonal"``.
    radius, hardness
        Of the softball prior of the means of the components.
    component_sd, sd_spread
        Standard deviation of the components that is expected, a fifth of the radius divided by their number if ``None``,
        and the standard deviation of the logarithm of their precisions.
    concentration
        Of the Dirichlet prior of the weights of the components.
    prior_weight
        Whether the prior of the mixture counts ``"once"``, or, as published, ``"per_sample"``.
    supervise
        What labels do: with ``"mixture"``, a cell comes from the components of its label; with ``"head"``, labels are
        predicted from the representations; or ``"both"``.
    task_weight
        Weight of the cross-entropy of that prediction.
    posterior
        Whether the representation of a cell is a ``"point"``, as published, or the mean of a ``"normal"`` distribution
        whose standard deviations all cells have in common and which are learned. Points can be shrunk without limit,
        and the decoder makes up for it, so that the mixture says nothing of their scale.
    start
        Representations start from principal components of the logarithms, ``"pca"``, or from ``"zeros"``.
    update
        Representations move after each ``"batch"``, or, as published, after each ``"epoch"``.
    search_epoch
        Fraction of the training in which one component of standard deviation ``component_sd`` is the prior, before the
        mixture is fitted to the representations and its number of components found.
    most_components
        Largest number of components that is tried.
    lr, representation_lr, mixture_lr
        Learning rates of the decoder, the representations and the mixture.
    decoder_betas, betas
        Averaging of gradients and of their squares by Adam, for the decoder, and for representations and mixture.
    weight_decay
        Of the decoder.
    anneal
        Whether the learning rates fall to zero.
    batch_size
        Cells in a batch.
    max_epochs
        Maximum number of epochs; if ``None``, as many as have ``n_steps`` steps, but from ``least_epochs`` to 400.
    n_steps, least_epochs
        Steps of training.
    train_size
        Fraction of the cells to train on.
    check_every, patience
        Epochs from one validation to the next, and validations without a gain after which training stops, if it may.
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
