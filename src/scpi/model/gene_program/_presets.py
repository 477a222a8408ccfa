"""Settings that belong together: scpi's own, and those of the publication."""

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
        Latent units. More than there are programs do no harm by themselves: those that are not needed vanish.
    n_hidden, decoder_hidden
        Units of the hidden layers. Without any in the decoder, a unit changes the logarithm of the expression of each
        gene by a weight: a program that can be read off.
    skip
        Add a linear map of the input to the hidden layers of the encoder.
    activation
        Of the latent units: ``"relu"``, under which they can be silent, or ``"softplus"``.
    softplus_beta
        Sharpness of the softplus in hidden layers and units; ``None`` for the width of the layer, as published.
    likelihood
        Of the counts: ``"nb"``, ``"zinb"`` or ``"poisson"``; or ``"gaussian"``, of the input.
    depth
        Whether the decoder gives fractions of the depth of a cell, and not rates.
    reduction
        Whether the loss of a cell is the ``"sum"`` or the ``"mean"`` of those of its genes.
    unit_weight, gene_weight
        Rates of the exponential and Laplace priors of units and of decoder weights, per 1,000 counts of a cell of median
        depth, so that units of shallow cells are shrunk as much as those of deep ones; as they are for the Gaussian
        likelihood. As a unit can grow while its weights shrink, it is their product that counts.
    orthogonality
        What keeps units apart: ``"weights"`` into the representation that are orthonormal, as published;
        ``"activations"`` that do not correlate; ``"decoder"`` effects on different genes; or no
        ``"total_correlation"`` of the activations, as a normal distribution of the same correlations has it.
    orthogonality_weight
        Weight of that term.
    warmup
        Fraction of the training over which the weights of units, genes and orthogonality rise.
    data_init
        Start from non-negative factors and principal components of the logarithms.
    train_size
        Fraction of the cells to train on.
    batch_size, shuffle
        Batches of cells, and whether they are others in every epoch.
    max_epochs
        Maximum number of epochs; if ``None``, as many as have ``n_steps`` steps, but at least ``least_epochs``.
    n_steps, least_epochs
        Steps of training.
    optimizer, lr
        Optimiser and its learning rate, which rises and falls once for ``"adam"``.
    check_every, patience, least_gain
        Stop after this many checks of the loss of the cells left out, every so many epochs, without this gain.
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
