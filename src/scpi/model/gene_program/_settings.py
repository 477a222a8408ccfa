"""Settings that GeneProgramAE takes by keyword, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from scpi.model.base.loading._input_transform import Transform
    from scpi.model.gene_program._presets import Activation, Likelihood, Optimizer, Orthogonality, Reduction


class Settings(TypedDict, total=False):
    """Attributes of the preset that are no arguments of their own."""

    transform: Transform
    n_hidden: tuple[int, ...]
    decoder_hidden: tuple[int, ...]
    skip: bool
    activation: Activation
    softplus_beta: float | None
    likelihood: Likelihood
    depth: bool
    reduction: Reduction
    unit_weight: float
    gene_weight: float
    orthogonality: Orthogonality
    orthogonality_weight: float
    warmup: float
    data_init: bool
    train_size: float
    batch_size: int
    shuffle: bool
    max_epochs: int | None
    n_steps: int
    least_epochs: int
    optimizer: Optimizer
    lr: float
    check_every: int | None
    patience: int
    least_gain: float
