"""Settings that SCPREGAN takes by keyword, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.base.training._presets import TrainingSettings

if TYPE_CHECKING:
    from scpi.model.scpregan._presets import Decay, Output


class Settings(TrainingSettings, total=False):
    """Attributes of the preset that are no arguments of their own."""

    n_hidden: tuple[int, ...]
    n_latent: int
    output: Output
    residual: bool
    adversarial_weight: float
    encoding_weight: float
    cycle_weight: float
    n_steps: int
    encoder_lr: float
    discriminator_lr: float
    decay: Decay
