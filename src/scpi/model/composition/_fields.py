from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from scvi.data.fields import CategoricalJointObsField

from scpi._slots import find_column

if TYPE_CHECKING:
    from anndata import AnnData


class GroupField(CategoricalJointObsField):
    """Covariates that every cell has, whose combinations are groups."""

    def validate_field(self, adata: AnnData) -> None:
        """Check that the columns are there and complete."""
        for key in self.attr_keys:
            missing = int(find_column(adata, key, argument="categorical_covariate_keys").isna().sum())
            if missing:
                msg = f"`adata.obs[{key!r}]` has no value for {missing} cells."
                raise ValueError(msg)
        super().validate_field(adata)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Write the codes."""
        with warnings.catch_warnings():
            # A category of one group may have few cells
            warnings.filterwarnings("ignore", message="Category .* has fewer than", category=UserWarning)
            return dict(super().register_field(adata))

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other cells."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Category .* has fewer than", category=UserWarning)
            return dict(super().transfer_field(state_registry, adata_target, **kwargs))
