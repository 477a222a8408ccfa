"""Presets: scpi's own settings, and those of the publications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from scpi.model.base.training._presets import Rules, TrainingPreset

Controls = Literal["paired", "all"]
Regression = Literal["ridge", "ols", "none"]
DoseResponse = Literal["measured", "log"]


@dataclass(frozen=True, kw_only=True)
class ShiftPreset(TrainingPreset):
    """Network, training and arithmetic of a latent shift.

    Attributes
    ----------
    n_hidden, n_layers
        Number of units of each hidden layer of the encoder and of the decoder, and number of these layers.
    n_latent, dropout
        Number of latent units, and dropout rate of the hidden units.
    kl_weight
        Weight of the Kullback-Leibler divergence relative to the squared error; 1 gives the evidence lower bound under
        normal errors of variance 1.
    linear_decoder
        Whether the decoder is a linear map without hidden layers.
    residual
        Whether to add the decoded change to the cell instead of returning the decoded cell, which lacks the variation
        that the network does not reconstruct.
    eps
        Epsilon of Adam. Larger values shorten the steps if gradients are small.
    max_epochs
        Maximum number of epochs.
    """

    n_hidden: int = 256
    n_layers: int = 1
    n_latent: int = 50
    dropout: float = 0.2
    kl_weight: float = 1.0
    linear_decoder: bool = False
    residual: bool = True
    eps: float = 1e-8
    max_epochs: int = 30
    early_stopping: bool | None = None


@dataclass(frozen=True, kw_only=True)
class SCGENPreset(ShiftPreset):
    """Settings of SCGEN, beside the shared ones.

    Attributes
    ----------
    controls
        Controls to compare perturbed cells with: those of the same contexts (``"paired"``) or of all contexts.
    """

    controls: Controls = "paired"


@dataclass(frozen=True, kw_only=True)
class SCVIDRPreset(ShiftPreset):
    """Settings of SCVIDR, beside the shared ones.

    Attributes
    ----------
    regression
        Regression of the shift of a context on its controls: ``"ridge"``, with a penalty chosen by leaving contexts
        out; ``"ols"``, the minimum-norm solution of least squares; or ``"none"``, the mean shift.
    dose_response
        ``"measured"``: the regression uses the shifts at the dose, interpolated linearly in log1p of the dose between
        measured ones. ``"log"``: it uses the shifts at the largest dose, scaled in proportion to log1p of the dose.
    """

    regression: Regression = "ridge"
    dose_response: DoseResponse = "measured"


# Settings that both publications share
_PUBLISHED: dict[str, Any] = {
    "n_hidden": 800,
    "n_layers": 2,
    "n_latent": 100,
    "kl_weight": 5e-5,
    "residual": False,
    "eps": 0.01,
    "max_epochs": 100,
}

SCGEN_PRESETS: dict[str, SCGENPreset] = {
    "scpi": SCGENPreset(),
    "published": SCGENPreset(controls="all", batch_size=32, **_PUBLISHED),
}

SCVIDR_PRESETS: dict[str, SCVIDRPreset] = {
    "scpi": SCVIDRPreset(),
    "published": SCVIDRPreset(regression="ols", dose_response="log", **_PUBLISHED),
}

RULES = Rules(
    choices={
        "controls": get_args(Controls),
        "regression": get_args(Regression),
        "dose_response": get_args(DoseResponse),
    },
    least={
        "n_hidden": 1,
        "n_layers": 1,
        "n_latent": 1,
        "kl_weight": 0,
        "batch_size": 2,
        "max_epochs": 1,
        "patience": 1,
    },
    positive=("lr", "eps"),
    shares=("dropout",),
)
