"""Settings that NBVAE takes by keyword, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.base.training._presets import TrainingSettings

if TYPE_CHECKING:
    from scpi.model.nbvae._presets import Scale


class Settings(TrainingSettings, total=False):
    """Attributes of the preset that are no arguments of their own."""

    n_latent: int
    encoder_hidden: tuple[int, ...]
    decoder_hidden: tuple[int, ...]
    batch_norm: bool
    dropout: float
    log_input: bool
    encode_covariates: bool
    deep_covariates: bool
    scale: Scale
    theta: float | None
    kl_warmup: int
    kl_start: float
    gene_weight: float
    task_weight: float
    weight_decay: float
    eps: float
    max_epochs: int | None
    n_steps: int | None
