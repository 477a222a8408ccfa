"""Labels that some cells lack, and covariates of which new cells may have other categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from scpi._keys import Key
from scpi._slots import listed
from scpi.model.base.setup._covariate_fields import CategoricalsField
from scpi.model.base.setup._fields import StoredField, check_column

if TYPE_CHECKING:
    from anndata import AnnData


class PartialLabelField(StoredField):
    """Labels of cells for training, of which some may be unknown. New cells need none.

    Parameters
    ----------
    registry_key, attr_key
        Name of the field in the registry, and column of ``obs``.
    unlabeled_category
        What the column holds for cells without a label. Their code is the number of labels.
    """

    def __init__(self, registry_key: str, attr_key: str, *, unlabeled_category: str | None) -> None:
        super().__init__(registry_key, "obs", Key.obs.LABEL)
        self.label_key, self.unlabeled = attr_key, unlabeled_category

    def validate_field(self, adata: AnnData) -> None:
        """Nothing is needed of cells that are not trained on."""
        super().validate_field(adata)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Learn the labels and write their codes."""
        check_column(adata, self.label_key)
        values = adata.obs[self.label_key]
        if values.isna().any():
            msg = (
                f"`adata.obs[{self.label_key!r}]` has no value for {int(values.isna().sum())} cells: write a category of "
                "its own for them, and name it as `unlabeled_category`."
            )
            raise ValueError(msg)
        labels = list(map(str, pd.Categorical(values).remove_unused_categories().categories))
        if self.unlabeled is not None and self.unlabeled not in labels:
            msg = f"`unlabeled_category` is {self.unlabeled!r}, but `adata.obs[{self.label_key!r}]` holds {listed(labels)}."
            raise ValueError(msg)
        labels = [name for name in labels if name != self.unlabeled]
        if not labels:
            msg = f"`adata.obs[{self.label_key!r}]` holds no label beside {self.unlabeled!r}."
            raise ValueError(msg)
        return self._write(adata, labels)

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other cells, which may be without labels."""
        super().transfer_field(state_registry, adata_target, **kwargs)
        return self._write(adata_target, list(state_registry["labels"]))

    def _write(self, adata: AnnData, labels: list[str]) -> dict[str, Any]:
        if self.label_key in adata.obs:
            codes = pd.Index(labels).get_indexer(pd.Index(adata.obs[self.label_key].astype(str)))
            codes[codes < 0] = len(labels)
        else:
            codes = len(labels)
        adata.obs[self.attr_key] = codes
        return {"labels": labels}

    def get_summary_stats(self, state_registry: dict[str, Any]) -> dict[str, int]:
        """Number of labels."""
        return {f"n_{self.registry_key}": len(state_registry["labels"])}


class OpenCategoricalsField(CategoricalsField):
    """Categorical covariates; categories that only new cells have come after the known ones."""

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other cells."""
        self.validate_field(adata_target)
        categories: dict[str, list[str]] = {}
        for column, known in state_registry["categories"].items():
            there = adata_target.obs[column].dropna().astype(str).unique()
            categories[column] = [*known, *sorted(set(there) - set(known))]
        return super().transfer_field({"categories": categories}, adata_target, **kwargs)
