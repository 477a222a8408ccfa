"""Tools: AnnData in, results written in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.tl._annotate_units import annotate_units as annotate_units
    from scpi.tl._causal_graph import causal_graph as causal_graph
    from scpi.tl._cluster import cluster as cluster
    from scpi.tl._consensus_programs import consensus_programs as consensus_programs
    from scpi.tl._differential_activity import differential_activity as differential_activity
    from scpi.tl._gene_set_impact import gene_set_impact as gene_set_impact
    from scpi.tl._gene_sets import gene_sets as gene_sets
    from scpi.tl._impact_contrast import impact_contrast as impact_contrast
    from scpi.tl._pathway_activity import pathway_activity as pathway_activity
    from scpi.tl._predict_perturbation import predict_perturbation as predict_perturbation
    from scpi.tl._rank_genes_gradients import rank_genes_gradients as rank_genes_gradients
    from scpi.tl._rank_genes_permutation import rank_genes_permutation as rank_genes_permutation
    from scpi.tl._rank_genes_shap import rank_genes_shap as rank_genes_shap
    from scpi.tl._saliency import saliency as saliency
    from scpi.tl._score_prediction import score_prediction as score_prediction

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "annotate_units": "_annotate_units",
        "causal_graph": "_causal_graph",
        "cluster": "_cluster",
        "consensus_programs": "_consensus_programs",
        "differential_activity": "_differential_activity",
        "gene_set_impact": "_gene_set_impact",
        "gene_sets": "_gene_sets",
        "impact_contrast": "_impact_contrast",
        "pathway_activity": "_pathway_activity",
        "predict_perturbation": "_predict_perturbation",
        "rank_genes_gradients": "_rank_genes_gradients",
        "rank_genes_permutation": "_rank_genes_permutation",
        "rank_genes_shap": "_rank_genes_shap",
        "saliency": "_saliency",
        "score_prediction": "_score_prediction",
    },
)
