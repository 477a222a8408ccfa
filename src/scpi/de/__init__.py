"""Tests of differences between groups: arrays in and out, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.de._comparison import Comparison as Comparison
    from scpi.de._fdr import false_discovery_control as false_discovery_control
    from scpi.de._methods import methods as methods
    from scpi.de._moments import Moments as Moments
    from scpi.de._moments import group_moments as group_moments
    from scpi.de._rank_genes import rank_genes as rank_genes
    from scpi.de._tests._welch import welch as welch
    from scpi.de._tests._wilcoxon import wilcoxon as wilcoxon

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Comparison": "_comparison",
        "Moments": "_moments",
        "false_discovery_control": "_fdr",
        "group_moments": "_moments",
        "methods": "_methods",
        "rank_genes": "_rank_genes",
        "welch": "_tests._welch",
        "wilcoxon": "_tests._wilcoxon",
    },
)
