"""Metrics that are asked for together, by the name of the set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PRESETS: Mapping[str, tuple[str, ...]] = {
    # Each of them fails another kind of poor prediction
    "honest": ("pearson", "pearson_perturbed", "r2_weighted", "discrimination", "de_effect_jaccard", "energy_distance"),
    # Differential expression, discrimination and error of the Virtual Cell Challenge of 2025
    "vcc2025": ("de_overlap", "discrimination_l1", "mae"),
    # The six of the Virtual Cell Challenge of 2026
    "vcc2026": ("discrimination", "mse_normalised", "de_fidelity", "de_reach", "de_jaccard", "de_lfc_error"),
    # What the request for a harness in pertpy lists: changes of the genes that change, cells, signs, first genes
    "pertpy1035": ("pearson_top", "de_lfc_spearman", "energy_distance", "sign_accuracy", "de_top"),
    # Of the studies of contexts that were left out, as far as the values can be compared between models
    "published": ("de_top", "r2", "energy_distance", "sliced_wasserstein", "mmd"),
}
"""Names of metrics by the name of a preset."""
