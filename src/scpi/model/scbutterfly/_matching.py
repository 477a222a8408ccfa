"""Matching of control cells with treated cells."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from scpi.model.base._constants import KEYS
from scpi.model.base.loading._sampling import match_by_transport, matched_pairs

if TYPE_CHECKING:
    from scpi.model.base.loading._sampling import Sampling
    from scpi.model.scbutterfly._presets import Preset


def matching(preset: Preset, batch_size: int) -> Sampling:
    """Batches of controls and their partners, by optimal transport within each context and condition.

    Every control cell has a partner in every condition of its context. An epoch takes as many pairs, drawn at random,
    as there are matched cells in the larger domain; with one condition these are all pairs.
    """
    match = partial(
        match_by_transport,
        within=(KEYS.CONTEXT,),
        n_components=preset.n_components,
        method=preset.transport,
        how=preset.pairing,
        max_cells=preset.max_cells,
    )
    return partial(matched_pairs, match=match, batch_size=batch_size, all_pairs=False)
