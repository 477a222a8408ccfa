from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from scpi.model.base.setup._fields import LabelField

if TYPE_CHECKING:
    from anndata import AnnData


class ConditionField(LabelField):
    """A label of conditions, of which each may have a single row."""

    def validate_field(self, adata: AnnData) -> None:
        """Check that the labels are complete and of one type."""
        super().validate_field(adata)
        kinds = {type(value).__name__ for value in adata.obs[self._original_attr_key].unique()}
        if len(kinds) > 1:
            msg = (
                f"`adata.obs[{self._original_attr_key!r}]` has labels of several types, {sorted(kinds)}: "
                "turn them into text, by `.astype(str)`."
            )
            raise ValueError(msg)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Write the codes."""
        with warnings.catch_warnings():
            # scvi-tools expects several cells of each label
            warnings.filterwarnings("ignore", message="Category .* has fewer than", category=UserWarning)
            return dict(super().register_field(adata))

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other conditions."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Category .* has fewer than", category=UserWarning)
            return dict(super().transfer_field(state_registry, adata_target, **kwargs))
