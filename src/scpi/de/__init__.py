"""Tests of differences between groups: arrays in and out, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.de._contrasts import contrasts as contrasts
    from scpi.de._ebayes import ModeratedFit as ModeratedFit
    from scpi.de._ebayes import ebayes as ebayes
    from scpi.de._fdr import false_discovery_control as false_discovery_control
    from scpi.de._filter_by_expr import filter_by_expr as filter_by_expr
    from scpi.de._limma import limma as limma
    from scpi.de._lm_fit import LinearFit as LinearFit
    from scpi.de._lm_fit import lm_fit as lm_fit
    from scpi.de._log_means import log_means as log_means
    from scpi.de._methods import methods as methods
    from scpi.de._moments import Moments as Moments
    from scpi.de._moments import group_moments as group_moments
    from scpi.de._norm_factors import norm_factors as norm_factors
    from scpi.de._overdispersion import estimate_overdispersion as estimate_overdispersion
    from scpi.de._pseudobulk import pseudobulk as pseudobulk
    from scpi.de._rank_genes import rank_genes as rank_genes
    from scpi.de._shrink_effects import ShrunkenEffects as ShrunkenEffects
    from scpi.de._shrink_effects import shrink_effects as shrink_effects
    from scpi.de._test_result import TestResult as TestResult
    from scpi.de._tests._logistic import logistic as logistic
    from scpi.de._tests._welch import welch as welch
    from scpi.de._tests._wilcoxon import wilcoxon as wilcoxon
    from scpi.de._tests._zinb import zinb as zinb
    from scpi.de._thin import thin as thin
    from scpi.de._thin_counts import thin_counts as thin_counts
    from scpi.de._top_table import top_table as top_table
    from scpi.de._voom import Voom as Voom
    from scpi.de._voom import voom as voom

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "TestResult": "_test_result",
        "LinearFit": "_lm_fit",
        "ModeratedFit": "_ebayes",
        "Moments": "_moments",
        "ShrunkenEffects": "_shrink_effects",
        "Voom": "_voom",
        "contrasts": "_contrasts",
        "ebayes": "_ebayes",
        "estimate_overdispersion": "_overdispersion",
        "false_discovery_control": "_fdr",
        "filter_by_expr": "_filter_by_expr",
        "group_moments": "_moments",
        "limma": "_limma",
        "lm_fit": "_lm_fit",
        "log_means": "_log_means",
        "logistic": "_tests._logistic",
        "methods": "_methods",
        "norm_factors": "_norm_factors",
        "pseudobulk": "_pseudobulk",
        "rank_genes": "_rank_genes",
        "shrink_effects": "_shrink_effects",
        "thin": "_thin",
        "thin_counts": "_thin_counts",
        "top_table": "_top_table",
        "voom": "_voom",
        "welch": "_tests._welch",
        "wilcoxon": "_tests._wilcoxon",
        "zinb": "_tests._zinb",
    },
)
