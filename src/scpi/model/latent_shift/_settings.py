"""Settings that SCGEN and SCVIDR take by keyword, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.base.training._presets import TrainingSettings

if TYPE_CHECKING:
    from scpi.model.latent_shift._presets import Controls, DoseResponse, Regression


class Settings(TrainingSettings, total=False):
    """Attributes of the presets of both models, of which each takes its own."""

    n_hidden: int
    n_layers: int
    n_latent: int
    dropout: float
    kl_weight: float
    linear_decoder: bool
    residual: bool
    eps: float
    max_epochs: int
    controls: Controls
    regression: Regression
    dose_response: DoseResponse
