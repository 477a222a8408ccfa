"""Attributions: how much each gene moves an output of a differentiable function. Arrays and tensors, no AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.attribution._attribute_cells import CellAttributions as CellAttributions
    from scpi.attribution._attribute_cells import attribute_cells as attribute_cells
    from scpi.attribution._attribute_groups import GroupAttributions as GroupAttributions
    from scpi.attribution._attribute_groups import attribute_groups as attribute_groups
    from scpi.attribution._attribute_units import UnitAttributions as UnitAttributions
    from scpi.attribution._attribute_units import attribute_units as attribute_units
    from scpi.attribution._centroid_logits import centroid_logits as centroid_logits
    from scpi.attribution._contrast import contrast as contrast
    from scpi.attribution._decoder_effect import decoder_effect as decoder_effect
    from scpi.attribution._decoder_target import DecoderTarget as DecoderTarget
    from scpi.attribution._insertion_deletion import InsertionDeletion as InsertionDeletion
    from scpi.attribution._insertion_deletion import insertion_deletion as insertion_deletion
    from scpi.attribution._latent_traversal import latent_traversal as latent_traversal
    from scpi.attribution._list_methods import methods as methods
    from scpi.attribution._parameter_randomisation import parameter_randomisation as parameter_randomisation
    from scpi.attribution._seed_agreement import seed_agreement as seed_agreement
    from scpi.attribution._target import AttributionTarget as AttributionTarget

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "AttributionTarget": "_target",
        "CellAttributions": "_attribute_cells",
        "DecoderTarget": "_decoder_target",
        "GroupAttributions": "_attribute_groups",
        "InsertionDeletion": "_insertion_deletion",
        "UnitAttributions": "_attribute_units",
        "attribute_cells": "_attribute_cells",
        "attribute_groups": "_attribute_groups",
        "attribute_units": "_attribute_units",
        "centroid_logits": "_centroid_logits",
        "contrast": "_contrast",
        "decoder_effect": "_decoder_effect",
        "insertion_deletion": "_insertion_deletion",
        "latent_traversal": "_latent_traversal",
        "methods": "_list_methods",
        "parameter_randomisation": "_parameter_randomisation",
        "seed_agreement": "_seed_agreement",
    },
)
