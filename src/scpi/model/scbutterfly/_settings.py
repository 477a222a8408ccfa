"""Settings that SCButterfly takes by keyword, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.base.training._presets import TrainingSettings

if TYPE_CHECKING:
    from scpi.model.base.loading._transport import Pairing, PlanMethod


class Settings(TrainingSettings, total=False):
    """Attributes of the preset that are no arguments of their own."""

    control_hidden: tuple[int, ...]
    treated_hidden: tuple[int, ...]
    n_latent: int
    n_translator: int
    dropout: float
    noise: float
    plain_output: bool
    data_init: bool
    keep_residual: bool
    kl_weight: float
    kl_warmup: int
    adversarial_weight: float
    adversarial_limit: float
    pairing: Pairing
    transport: PlanMethod
    n_components: int
    max_cells: int
    discriminator_lr: float
    max_epochs: int
    pretrain_epochs: int | None
