"""Names of the tensors that models of single cells exchange with scvi-tools and with their data."""

from __future__ import annotations

from typing import Final, NamedTuple

from scvi import REGISTRY_KEYS


class _CellKeys(NamedTuple):
    X: str = REGISTRY_KEYS.X_KEY
    """Counts."""
    SIZE_FACTOR: str = REGISTRY_KEYS.SIZE_FACTOR_KEY
    """Size factor of each cell."""
    BATCH: str = REGISTRY_KEYS.BATCH_KEY
    """Code of the batch of each cell."""
    LABELS: str = REGISTRY_KEYS.LABELS_KEY
    """Label of each cell, for the supervised contrastive loss."""
    WEIGHT: str = "weight"
    """Weight of each cell as a positive of the contrastive loss."""
    INPUT: str = "input"
    """Counts after the input transform."""
    INDEX: str = "index"
    """Position of the cell in the data."""


KEYS: Final = _CellKeys()
