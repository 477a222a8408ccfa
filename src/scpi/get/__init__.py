"""Getters: tidy data frames out of what the tools wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.get._causal_graph import causal_graph as causal_graph
    from scpi.get._differential_activity import differential_activity as differential_activity
    from scpi.get._gene_sets import gene_sets as gene_sets
    from scpi.get._intervention_targets import intervention_targets as intervention_targets
    from scpi.get._pathway_activity import pathway_activity as pathway_activity

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "causal_graph": "_causal_graph",
        "differential_activity": "_differential_activity",
        "gene_sets": "_gene_sets",
        "intervention_targets": "_intervention_targets",
        "pathway_activity": "_pathway_activity",
    },
)
