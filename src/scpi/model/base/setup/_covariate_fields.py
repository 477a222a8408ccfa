"""Fields of several columns, for covariates on which a network is conditioned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._sequence import as_list
from scpi.model.base.generation._covariates import category_codes, finite_values
from scpi.model.base.setup._fields import StoredField, check_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData


class _ColumnsField(StoredField):
    """Reads columns of ``obs`` into one array, cells x columns."""

    name: str

    def __init__(self, registry_key: str, attr_key: str | Sequence[str]) -> None:
        super().__init__(registry_key, "obsm", self.name)
        self.columns = [str(column) for column in as_list(attr_key)]

    def validate_field(self, adata: AnnData) -> None:
        """Check that the columns exist."""
        super().validate_field(adata)
        for column in self.columns:
            check_column(adata, column)


class CategoricalsField(_ColumnsField):
    """Categorical covariates with frozen categories: unknown ones in new cells raise an error that names them."""

    name = Key.obsm.CATEGORICAL

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Learn the categories and write the codes."""
        self.validate_field(adata)
        # As text, so that plans can refer to categories of any type
        known = {column: _categories(adata.obs[column]) for column in self.columns}
        return self._write(adata, known)

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other cells."""
        super().transfer_field(state_registry, adata_target, **kwargs)
        self.validate_field(adata_target)
        return self._write(adata_target, state_registry["categories"])

    def _write(self, adata: AnnData, known: dict[str, list[str]]) -> dict[str, Any]:
        codes = [category_codes(column, adata.obs[column], categories) for column, categories in known.items()]
        adata.obsm[self.attr_key] = np.stack(codes, axis=1)
        return {"categories": {column: list(categories) for column, categories in known.items()}}

    def get_summary_stats(self, state_registry: dict[str, Any]) -> dict[str, int]:
        """Number of covariates."""
        return {f"n_{self.registry_key}": len(state_registry["categories"])}


class NumbersField(_ColumnsField):
    """Continuous covariates."""

    name = Key.obsm.CONTINUOUS

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Write the numbers."""
        self.validate_field(adata)
        numbers = [finite_values(column, adata.obs[column]) for column in self.columns]
        adata.obsm[self.attr_key] = np.stack(numbers, axis=1)
        return {"columns": list(self.columns)}

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the numbers of other cells."""
        super().transfer_field(state_registry, adata_target, **kwargs)
        return self.register_field(adata_target)

    def get_summary_stats(self, state_registry: dict[str, Any]) -> dict[str, int]:
        """Number of covariates."""
        return {f"n_{self.registry_key}": len(state_registry["columns"])}


def _categories(values: pd.Series) -> list[str]:
    """Categories that occur, in the order of a categorical column, otherwise sorted."""
    occurring = pd.Categorical(values).remove_unused_categories()
    return [str(category) for category in occurring.categories]
