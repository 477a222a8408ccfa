"""Features of perturbations: reading them from what is known of genes and compounds, and storing them in an AnnData."""

from __future__ import annotations

from scpi._features._slot import FeatureTable, find_features, write_features

__all__ = ["FeatureTable", "find_features", "write_features"]
