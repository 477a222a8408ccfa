"""Plots: matplotlib figures of what an AnnData already holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.pl._causal_graph import causal_graph as causal_graph
    from scpi.pl._differential_activity import differential_activity as differential_activity
    from scpi.pl._factor_wordcloud import factor_wordcloud as factor_wordcloud
    from scpi.pl._intervention_targets import intervention_targets as intervention_targets
    from scpi.pl._pathway_activity import pathway_activity as pathway_activity
    from scpi.pl._prediction import prediction as prediction

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "causal_graph": "_causal_graph",
        "differential_activity": "_differential_activity",
        "factor_wordcloud": "_factor_wordcloud",
        "intervention_targets": "_intervention_targets",
        "pathway_activity": "_pathway_activity",
        "prediction": "_prediction",
    },
)
