"""Fields that training reads, and new cells need not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scpi.model.base.setup._fields import LabelField, SizeFactorField

if TYPE_CHECKING:
    from anndata import AnnData


class TrainingLabelField(LabelField):
    """A label that training reads."""

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other cells that have the label; others stay without."""
        if self._original_attr_key not in adata_target.obs or adata_target.obs[self._original_attr_key].isna().any():
            return state_registry
        return dict(super().transfer_field(state_registry, adata_target, **(kwargs | {"extend_categories": True})))


class TrainingWeightField(SizeFactorField):
    """A positive number that training reads."""

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Other cells need no weight."""
        return state_registry
