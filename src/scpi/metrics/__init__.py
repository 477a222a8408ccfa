"""Pure functions of arrays that say how good a prediction, a clustering, a graph or a ranking is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.metrics._activity import dar as dar
    from scpi.metrics._activity import hits_at_n as hits_at_n
    from scpi.metrics._agreement_matrix import agreement_matrix as agreement_matrix
    from scpi.metrics._association import association as association
    from scpi.metrics._association import lms as lms
    from scpi.metrics._association import match_units as match_units
    from scpi.metrics._association import mig as mig
    from scpi.metrics._association import msas as msas
    from scpi.metrics._association import msgs as msgs
    from scpi.metrics._ceiling import Ceiling as Ceiling
    from scpi.metrics._ceiling import spearman_brown as spearman_brown
    from scpi.metrics._ceiling import split_half_ceiling as split_half_ceiling
    from scpi.metrics._change import cosine as cosine
    from scpi.metrics._change import mae as mae
    from scpi.metrics._change import pearson_delta as pearson_delta
    from scpi.metrics._change import r2 as r2
    from scpi.metrics._change import rmse as rmse
    from scpi.metrics._change import sign_accuracy as sign_accuracy
    from scpi.metrics._dci import DCIScores as DCIScores
    from scpi.metrics._dci import completeness as completeness
    from scpi.metrics._dci import dci as dci
    from scpi.metrics._dci import disentanglement as disentanglement
    from scpi.metrics._differential import direction_fidelity as direction_fidelity
    from scpi.metrics._differential import direction_reach as direction_reach
    from scpi.metrics._differential import lfc_nmae as lfc_nmae
    from scpi.metrics._differential import pr_auc as pr_auc
    from scpi.metrics._differential import significant_jaccard as significant_jaccard
    from scpi.metrics._discrimination import centroid_accuracy as centroid_accuracy
    from scpi.metrics._discrimination import perturbation_discrimination as perturbation_discrimination
    from scpi.metrics._energy import energy_distance as energy_distance
    from scpi.metrics._graph import align_graph as align_graph
    from scpi.metrics._graph import edge_average_precision as edge_average_precision
    from scpi.metrics._graph import edge_chance_level as edge_chance_level
    from scpi.metrics._graph import match_latents as match_latents
    from scpi.metrics._graph import structural_hamming_distance as structural_hamming_distance
    from scpi.metrics._graph import target_recovery as target_recovery
    from scpi.metrics._match_labels import LabelMatch as LabelMatch
    from scpi.metrics._match_labels import clustering_accuracy as clustering_accuracy
    from scpi.metrics._match_labels import match_labels as match_labels
    from scpi.metrics._mean_error import mse_normalised as mse_normalised
    from scpi.metrics._mean_error import mse_unbiased as mse_unbiased
    from scpi.metrics._mmd import mmd as mmd
    from scpi.metrics._mmd import multi_kernel_bandwidths as multi_kernel_bandwidths
    from scpi.metrics._overlap import overlap_log_pval as overlap_log_pval
    from scpi.metrics._overlap import precision_at_k as precision_at_k
    from scpi.metrics._overlap import top_k_jaccard as top_k_jaccard
    from scpi.metrics._overlap import top_k_overlap as top_k_overlap
    from scpi.metrics._partition import ari as ari
    from scpi.metrics._partition import nmi as nmi
    from scpi.metrics._prediction import score_change as score_change
    from scpi.metrics._program_auroc import program_auroc as program_auroc
    from scpi.metrics._published import distance_ratio as distance_ratio
    from scpi.metrics._published import expressing_fraction_difference as expressing_fraction_difference
    from scpi.metrics._published import expressing_mean_difference as expressing_mean_difference
    from scpi.metrics._published import mean_r2 as mean_r2
    from scpi.metrics._published import mean_r2_bootstrap as mean_r2_bootstrap
    from scpi.metrics._rank_biased_overlap import rank_biased_overlap as rank_biased_overlap
    from scpi.metrics._scaled import scaled as scaled
    from scpi.metrics._separation import calinski_harabasz as calinski_harabasz
    from scpi.metrics._separation import silhouette as silhouette
    from scpi.metrics._spread import correlation_error as correlation_error
    from scpi.metrics._spread import variance_ratio as variance_ratio
    from scpi.metrics._wasserstein import mean_pairwise_distance as mean_pairwise_distance
    from scpi.metrics._wasserstein import sliced_wasserstein as sliced_wasserstein
    from scpi.metrics._wasserstein import wasserstein as wasserstein
    from scpi.metrics._weighted import change_weights as change_weights
    from scpi.metrics._weighted import weighted_mse as weighted_mse
    from scpi.metrics._weighted import weighted_r2 as weighted_r2

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Ceiling": "_ceiling",
        "DCIScores": "_dci",
        "LabelMatch": "_match_labels",
        "agreement_matrix": "_agreement_matrix",
        "align_graph": "_graph",
        "ari": "_partition",
        "association": "_association",
        "calinski_harabasz": "_separation",
        "centroid_accuracy": "_discrimination",
        "change_weights": "_weighted",
        "clustering_accuracy": "_match_labels",
        "completeness": "_dci",
        "correlation_error": "_spread",
        "cosine": "_change",
        "dar": "_activity",
        "dci": "_dci",
        "direction_fidelity": "_differential",
        "direction_reach": "_differential",
        "disentanglement": "_dci",
        "distance_ratio": "_published",
        "edge_average_precision": "_graph",
        "edge_chance_level": "_graph",
        "energy_distance": "_energy",
        "expressing_fraction_difference": "_published",
        "expressing_mean_difference": "_published",
        "hits_at_n": "_activity",
        "lfc_nmae": "_differential",
        "lms": "_association",
        "mae": "_change",
        "match_labels": "_match_labels",
        "match_latents": "_graph",
        "match_units": "_association",
        "mean_pairwise_distance": "_wasserstein",
        "mean_r2": "_published",
        "mean_r2_bootstrap": "_published",
        "mig": "_association",
        "mmd": "_mmd",
        "msas": "_association",
        "mse_normalised": "_mean_error",
        "mse_unbiased": "_mean_error",
        "msgs": "_association",
        "multi_kernel_bandwidths": "_mmd",
        "nmi": "_partition",
        "overlap_log_pval": "_overlap",
        "pearson_delta": "_change",
        "perturbation_discrimination": "_discrimination",
        "pr_auc": "_differential",
        "precision_at_k": "_overlap",
        "program_auroc": "_program_auroc",
        "r2": "_change",
        "rank_biased_overlap": "_rank_biased_overlap",
        "rmse": "_change",
        "scaled": "_scaled",
        "score_change": "_prediction",
        "sign_accuracy": "_change",
        "significant_jaccard": "_differential",
        "silhouette": "_separation",
        "sliced_wasserstein": "_wasserstein",
        "spearman_brown": "_ceiling",
        "split_half_ceiling": "_ceiling",
        "structural_hamming_distance": "_graph",
        "target_recovery": "_graph",
        "top_k_jaccard": "_overlap",
        "top_k_overlap": "_overlap",
        "variance_ratio": "_spread",
        "wasserstein": "_wasserstein",
        "weighted_mse": "_weighted",
        "weighted_r2": "_weighted",
    },
)
