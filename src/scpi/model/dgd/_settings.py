"""Settings that DGD takes by keyword, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from scpi.model.dgd._mixture import Covariance
    from scpi.model.dgd._presets import Activation, Library, Posterior, PriorWeight, Start, Supervise, Update


class Settings(TypedDict, total=False):
    """Attributes of the preset that are no arguments of their own."""

    n_hidden: tuple[int, ...]
    dropout: float
    activation: Activation
    library: Library
    covariance: Covariance
    radius: float
    hardness: float
    component_sd: float | None
    sd_spread: float
    concentration: float
    prior_weight: PriorWeight
    supervise: Supervise
    task_weight: float
    posterior: Posterior
    start: Start
    update: Update
    search_epoch: float
    most_components: int
    lr: float
    representation_lr: float
    mixture_lr: float
    decoder_betas: tuple[float, ...]
    betas: tuple[float, ...]
    weight_decay: float
    anneal: bool
    batch_size: int
    max_epochs: int | None
    n_steps: int
    least_epochs: int
    train_size: float
    check_every: int
    patience: int
