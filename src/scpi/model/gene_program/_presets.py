"""Presets: scpi's own settings, and those of the publication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from scpi.model.base.loading._input_transform import Transform
from scpi.model.base.training._presets import Rules

Likelihood = Literal["nb", "zinb", "poisson", "gaussian"]
Orthogonality = Literal["none", "weights", "activations", "decoder", "total_correlation"]
Activation = Literal["relu", "softplus"]
Optimizer = Literal["adam", "sgd"]
Reduction = Literal["sum", "mean"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Architecture, objective and schedule.

    Attributes
    ----------
    transform
        Input of the network: standardised ``"log"`` counts, ``"pearson"`` residuals, or ``"counts"``.
    n_units
        Number of latent units. Surplus units do no harm by themselves: units that are not needed vanish.
    n_hidden, decoder_hidden
        Units of the hidden layers. Without hidden layers in the decoder, a unit changes the log expression of each gene
        by a weight, so that its program can be read from the weights.
    skip
        Whether to add a linear map of the input to the hidden layers of the encoder.
    activation
        Activation of the latent units: ``"relu"``, which allows inactive units, or ``"softplus"``.
    softplus_beta
        Sharpness of the softplus in hidden layers and units; ``None`` for the width of the layer, as published.
    likelihood
        Likelihood of the counts: ``"nb"``, ``"zinb"`` or ``"poisson"``; or of the input: ``"gaussian"``.
    depth
        Whether the decoder gives fractions of the depth of a cell instead of rates.
    reduction
        Whether the loss of a cell is the ``"sum"`` or the ``"mean"`` over its genes.
    unit_weight, gene_weight
        Rates of the exponential prior of units and the Laplace prior of decoder weights. They are per 1,000 counts of a
        cell of median depth, so that units of shallow and deep cells are shrunk equally; the Gaussian likelihood uses
        them unscaled. As a unit can grow while its weights shrink, only their product matters.
    orthogonality
        Penalty that separates units: for orthonormal ``"weights"`` into the representation, as published; uncorrelated
        ``"activations"``; ``"decoder"`` effects on different genes; or no ``"total_correlation"`` of the activations,
        computed for a normal distribution with the same correlations.
    orthogonality_weight
        Weight of that penalty.
    warmup
        Fraction of the training over which the weights of units, genes and orthogonality rise.
    data_init
        Whether to start from non-negative factors and principal components of log expression.
    train_size
        Fraction of the cells to train on.
    batch_size, shuffle
        Number of cells per batch, and whether batches are shuffled in every epoch.
    max_epochs
        Maximum number of epochs; if ``None``, the number with ``n_steps`` steps, but at least ``least_epochs``.
    n_steps, least_epochs
        Number of training steps, and minimum number of epochs.
    optimizer, lr
        Optimiser and its learning rate, which follows a one-cycle schedule for ``"adam"``.
    check_every, patience, least_gain
        The validation loss is checked every ``check_every`` epochs. Training stops after ``patience`` checks without an
        improvement of at least ``least_gain``.
    """

    transform: Transform = "log"
    n_units: int = 20
    n_hidden: tuple[int, ...] = (128,)
    decoder_hidden: tuple[int, ...] = ()
    skip: bool = True
    activation: Activation = "relu"
    softplus_beta: float | None = 1.0
    likelihood: Likelihood = "nb"
    depth: bool = True
    reduction: Reduction = "sum"
    unit_weight: float = 1.0
    gene_weight: float = 1.5
    orthogonality: Orthogonality = "none"
    orthogonality_weight: float = 1.0
    warmup: float = 0.2
    data_init: bool = True
    train_size: float = 1.0
    batch_size: int = 128
    shuffle: bool = True
    max_epochs: int | None = None
    n_steps: int = 500
    least_epochs: int = 20
    optimizer: Optimizer = "adam"
    lr: float = 3e-3
    check_every: int | None = None
    patience: int = 1
    least_gain: float = 1e-8


def _published(*, orthogonality_weight: float, lr: float) -> Preset:
    return Preset(
        transform="counts",
        n_units=64,
        n_hidden=(128,),
        decoder_hidden=(128,),
        skip=False,
        activation="softplus",
        softplus_beta=None,
        likelihood="poisson",
        depth=False,
        reduction="mean",
        unit_weight=0.0,
        gene_weight=0.0,
        orthogonality="weights",
        orthogonality_weight=orthogonality_weight,
        warmup=0.0,
        data_init=False,
        train_size=0.95,
        batch_size=1,
        shuffle=False,
        max_epochs=500,
        optimizer="sgd",
        lr=lr,
        check_every=10,
    )


PRESETS: dict[str, Preset] = {
    "scpi": Preset(),
    "paul": _published(orthogonality_weight=0.05, lr=1e-3),
    "pbmc": _published(orthogonality_weight=0.05, lr=1e-3),
    "velten": _published(orthogonality_weight=1.0, lr=2e-11),
}

RULES = Rules(
    choices={
        "transform": get_args(Transform),
        "activation": get_args(Activation),
        "likelihood": get_args(Likelihood),
        "reduction": get_args(Reduction),
        "orthogonality": get_args(Orthogonality),
        "optimizer": get_args(Optimizer),
    },
    least={
        "n_units": 1,
        "softplus_beta": 1e-3,
        "unit_weight": 0,
        "gene_weight": 0,
        "orthogonality_weight": 0,
        "batch_size": 1,
        "max_epochs": 1,
        "n_steps": 1,
        "least_epochs": 1,
        "check_every": 1,
        "patience": 1,
    },
    positive=("lr", "train_size"),
    shares=("warmup",),
)
