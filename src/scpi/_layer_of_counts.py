"""Where the counts are, when no layer is named: one rule for all models and functions that need counts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._keys import Key
from scpi._screen._blocks import blocks
from scpi._screen._checks import are_whole, value_range

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger(__name__)


def layer_of_counts(adata: AnnData, layer: str | None = None) -> str | None:
    """The layer that is named; without a name `X`, or `layers["counts"]` where it holds counts and `X` does not."""
    if layer is not None or Key.layers.COUNTS not in adata.layers:
        return layer
    if holds_counts(adata.X) or not holds_counts(adata.layers[Key.layers.COUNTS]):
        return None
    logger.info("`adata.X` does not hold counts: those in `adata.layers[%r]` are used.", Key.layers.COUNTS)
    return Key.layers.COUNTS


def layer_of_new_counts(adata: AnnData, registered: str | None) -> str | None:
    """Layer of the counts of new data for a model that was set up with the layer ``registered``.

    Either of the two places that need no name stands for the other, so that cells may be given before and after they
    were normalised.
    """
    if registered == Key.layers.COUNTS and registered not in adata.layers and holds_counts(adata.X):
        logger.info("There is no `adata.layers[%r]`: the counts in `adata.X` are used.", registered)
        return None
    return layer_of_counts(adata, registered)


def holds_counts(values: Any) -> bool:
    """Whether all values of a matrix of any kind, in memory or not, are counts; nothing holds none."""
    if values is None:
        return False
    for block in blocks(values):
        if block.values.dtype.kind not in "fiub":
            return False
        lowest, largest = value_range(block.values)
        if not (np.isfinite([lowest, largest]).all() and lowest >= 0 and are_whole(block.values)):
            return False
    return True
