"""Settings that MultiTaskAE takes by keyword, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.base.training._presets import TrainingSettings

if TYPE_CHECKING:
    from typing import Literal

    from scpi.model.multitask._presets import (
        Adversary,
        Coding,
        Conditioning,
        Divergence,
        Likelihood,
        Norm,
        PairEach,
        Start,
        Target,
    )


class Settings(TrainingSettings, total=False):
    """Attributes of the preset that are no arguments of their own."""

    n_hidden: tuple[int, ...]
    n_latent: int
    conditioning: Conditioning
    film_start: Start
    coding: Coding
    n_embedding: int | None
    n_trunk: tuple[int, ...]
    norm: Norm
    dropout: float
    mask: float
    likelihood: Likelihood
    variational: bool
    beta: float
    divergence: Divergence
    target: Target
    pair_each: PairEach
    adversary: Adversary | None
    adversary_weight: float
    n_discriminator: tuple[int, ...]
    discriminator_epochs: int
    adversary_epochs: int
    shift: Literal["ridge", "none"]
    residual: bool
    transfer: float
    warmup_steps: int
    weight_decay: float
    max_epochs: int
