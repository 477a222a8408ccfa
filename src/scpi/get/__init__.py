"""Getters: tidy data frames out of what the tools wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.get._causal_graph import causal_graph as causal_graph
    from scpi.get._de_df import de_df as de_df
    from scpi.get._differential_activity import differential_activity as differential_activity
    from scpi.get._gene_set_impact import gene_set_impact as gene_set_impact
    from scpi.get._gene_sets import gene_sets as gene_sets
    from scpi.get._impact_contrast import impact_contrast as impact_contrast
    from scpi.get._intervention_targets import intervention_targets as intervention_targets
    from scpi.get._pathway_activity import pathway_activity as pathway_activity
    from scpi.get._predicted_change import predicted_change as predicted_change
    from scpi.get._programs import programs as programs
    from scpi.get._ranking_accuracy import ranking_accuracy as ranking_accuracy
    from scpi.get._ranking_agreement import ranking_agreement as ranking_agreement
    from scpi.get._signed_logp import signed_logp as signed_logp
    from scpi.get._unit_annotation import unit_annotation as unit_annotation
    from scpi.get._write_programs import write_programs as write_programs

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "causal_graph": "_causal_graph",
        "de_df": "_de_df",
        "differential_activity": "_differential_activity",
        "gene_set_impact": "_gene_set_impact",
        "gene_sets": "_gene_sets",
        "impact_contrast": "_impact_contrast",
        "intervention_targets": "_intervention_targets",
        "pathway_activity": "_pathway_activity",
        "predicted_change": "_predicted_change",
        "programs": "_programs",
        "ranking_accuracy": "_ranking_accuracy",
        "ranking_agreement": "_ranking_agreement",
        "signed_logp": "_signed_logp",
        "unit_annotation": "_unit_annotation",
        "write_programs": "_write_programs",
    },
)
