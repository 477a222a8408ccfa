"""Plots: matplotlib figures of what an AnnData already holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.pl._attribution_heatmap import attribution_heatmap as attribution_heatmap
    from scpi.pl._benchmark import benchmark as benchmark
    from scpi.pl._causal_graph import causal_graph as causal_graph
    from scpi.pl._differential_activity import differential_activity as differential_activity
    from scpi.pl._dose_response import dose_response as dose_response
    from scpi.pl._factor_wordcloud import factor_wordcloud as factor_wordcloud
    from scpi.pl._gene_set_impact import gene_set_impact as gene_set_impact
    from scpi.pl._impact_contrast import impact_contrast as impact_contrast
    from scpi.pl._intervention_targets import intervention_targets as intervention_targets
    from scpi.pl._ma import ma as ma
    from scpi.pl._pathway_activity import pathway_activity as pathway_activity
    from scpi.pl._prediction import prediction as prediction
    from scpi.pl._program import program as program
    from scpi.pl._pvalue_histogram import pvalue_histogram as pvalue_histogram
    from scpi.pl._rank_genes_gradients import rank_genes_gradients as rank_genes_gradients
    from scpi.pl._ranking_accuracy import ranking_accuracy as ranking_accuracy
    from scpi.pl._ranking_agreement import ranking_agreement as ranking_agreement
    from scpi.pl._saliency import saliency as saliency
    from scpi.pl._units import units as units
    from scpi.pl._volcano import volcano as volcano
    from scpi.pl._voom import voom as voom

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "attribution_heatmap": "_attribution_heatmap",
        "benchmark": "_benchmark",
        "causal_graph": "_causal_graph",
        "differential_activity": "_differential_activity",
        "dose_response": "_dose_response",
        "factor_wordcloud": "_factor_wordcloud",
        "gene_set_impact": "_gene_set_impact",
        "impact_contrast": "_impact_contrast",
        "intervention_targets": "_intervention_targets",
        "ma": "_ma",
        "pathway_activity": "_pathway_activity",
        "prediction": "_prediction",
        "program": "_program",
        "pvalue_histogram": "_pvalue_histogram",
        "rank_genes_gradients": "_rank_genes_gradients",
        "ranking_accuracy": "_ranking_accuracy",
        "ranking_agreement": "_ranking_agreement",
        "saliency": "_saliency",
        "units": "_units",
        "volcano": "_volcano",
        "voom": "_voom",
    },
)
