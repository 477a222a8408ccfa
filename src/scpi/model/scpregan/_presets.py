"""The published settings, and their allowed values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from scpi.model.base.training._presets import Rules, TrainingPreset

Output = Literal["layer_norm", "relu", "softplus"]
Decay = Literal["step", "cosine"]


@dataclass(frozen=True, kw_only=True)
class Preset(TrainingPreset):
    """Architecture, objective and schedule of an SCPREGAN.

    Attributes
    ----------
    n_hidden
        Units of the hidden layers of the encoder and of the discriminators; reversed in the generators.
    n_latent
        Number of latent units.
    output
        Last layer of the generators: ``"layer_norm"`` standardises the genes of each cell before a ReLU, as published;
        ``"relu"`` and ``"softplus"`` do not.
    residual
        Whether a transferred cell keeps its residual that the generator does not explain: the prediction is the cell
        plus the difference between the generated cells of both conditions.
    adversarial_weight, encoding_weight, cycle_weight
        Weights of the loss terms of the generators and of the encoder; the reconstruction has weight 1.
    n_steps
        Number of training steps.
    batch_size
        Number of cells of each domain in each half of a step.
    encoder_lr, discriminator_lr
        Learning rates of Adam for the encoder and the discriminators; ``lr`` is that of the generators.
    decay
        Learning rates fall by a tenth every 10,000 steps (``"step"``, as published), or to 1 % along a half cosine.
    """

    n_hidden: tuple[int, ...] = (512, 256)
    n_latent: int = 16
    output: Output = "layer_norm"
    residual: bool = False
    adversarial_weight: float = 1e-3
    encoding_weight: float = 0.1
    cycle_weight: float = 0.0
    n_steps: int = 20_000
    batch_size: int = 64
    patience: int = 45
    encoder_lr: float = 1e-4
    discriminator_lr: float = 1e-3
    decay: Decay = "step"


PRESETS: dict[str, Preset] = {"published": Preset()}

RULES = Rules(
    choices={"output": get_args(Output), "decay": get_args(Decay)},
    least={
        "n_latent": 1,
        "adversarial_weight": 0,
        "encoding_weight": 0,
        "cycle_weight": 0,
        "n_steps": 1,
        "patience": 1,
        "batch_size": 1,
    },
    positive=("lr", "encoder_lr", "discriminator_lr"),
)
