"""Settings that SENAVAE takes by keyword, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from scpi.model.senavae._intervention import InterventionEncoding
    from scpi.model.senavae._layers import Init
    from scpi.model.senavae._presets import Discrepancy, KlReduction


class Settings(TypedDict, total=False):
    """Attributes of the preset that are no arguments of their own."""

    max_factors: int | None
    choose_factors: bool
    init: Init
    max_weight_ratio: float
    intervention: InterventionEncoding
    positive_output: bool
    learn_variance: bool
    abduct: bool
    least_squares: bool | None
    shrink: bool
    interaction: float
    causal_posterior: bool
    data_init: bool
    discrepancy: Discrepancy
    max_mmd: float
    max_kl: float
    max_temperature: float
    mmd_start: int
    kl_start: int
    temperature_start: int
    graph_penalty: float
    mean_graph_penalty: bool
    kl: KlReduction
    per_gene: bool
    unbiased: bool
    bandwidth: float | None
    n_kernels: int
    lr: float
    cosine_decay: bool
    gradient_clip: float
    gradient_clip_algorithm: Literal["norm", "value"] | None
    max_epochs: int
    n_cells: int
    n_conditions: int
