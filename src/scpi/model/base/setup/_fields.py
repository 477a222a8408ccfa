"""Fields that teach scvi-tools to read perturbation labels and gene sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scvi.data.fields import BaseAnnDataField, CategoricalObsField, NumericalObsField

from scpi._gene_sets import read_gene_sets
from scpi._keys import Key
from scpi._screen._labels import canonical_label, encode_labels, vocabulary_of

if TYPE_CHECKING:
    from anndata import AnnData


class PerturbationField(BaseAnnDataField):
    """Reads labels such as ``"A+B"`` as doses of single perturbations over a frozen vocabulary.

    Each cell stores the integer code of its condition, a pair of canonical label and dose. The vocabulary of single
    perturbations is kept when the setup is transferred to other cells, so that unseen combinations of known
    perturbations are encoded there, and unknown perturbations raise an error.

    Parameters
    ----------
    registry_key
        Name of the field in the registry.
    attr_key
        Column of ``obs`` with the labels.
    control
        Label of the unperturbed cells.
    delimiter
        What separates the single perturbations of a combination.
    dose_key
        Column of ``obs`` with a dose, which multiplies the code of every member of the label.
    """

    def __init__(
        self, registry_key: str, attr_key: str, *, control: str, delimiter: str, dose_key: str | None = None
    ) -> None:
        super().__init__()
        self._registry_key = registry_key
        self.label_key = attr_key
        self.control = control
        self.delimiter = delimiter
        self.dose_key = dose_key

    @property
    def registry_key(self) -> str:
        """Name of the field in the registry."""
        return self._registry_key

    @property
    def attr_name(self) -> str:
        """Attribute that holds the codes."""
        return "obs"

    @property
    def attr_key(self) -> str:
        """Column that holds the codes."""
        return Key.obs.CONDITION

    @property
    def is_empty(self) -> bool:
        """A model of perturbations always has labels."""
        return False

    def validate_field(self, adata: AnnData) -> None:
        """Check the labels and the doses."""
        super().validate_field(adata)
        for key in [self.label_key, *([self.dose_key] if self.dose_key else [])]:
            _check_column(adata, key)
        missing = int(adata.obs[self.label_key].isna().sum())
        if missing:
            msg = f"`adata.obs[{self.label_key!r}]` has no label for {missing} cells. Remove or label them."
            raise ValueError(msg)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Learn the vocabulary and write the codes."""
        self.validate_field(adata)
        labels = self._labels(adata)
        vocabulary = vocabulary_of(labels.unique(), control=self.control, delimiter=self.delimiter)
        if not vocabulary:
            msg = f"`adata.obs[{self.label_key!r}]` holds no perturbation, only {self.control!r}."
            raise ValueError(msg)
        if not (labels == self.control).any():
            msg = (
                f"No cell of `adata.obs[{self.label_key!r}]` is labelled {self.control!r} (`control`). "
                f"It holds {labels.unique().tolist()[:12]}."
            )
            raise ValueError(msg)
        return self._write(adata, labels, vocabulary)

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other cells over the vocabulary of ``state_registry``."""
        super().transfer_field(state_registry, adata_target, **kwargs)
        self.validate_field(adata_target)
        return self._write(adata_target, self._labels(adata_target), list(state_registry["vocabulary"]))

    def _labels(self, adata: AnnData) -> pd.Series:
        """Canonical label of every cell."""
        raw = adata.obs[self.label_key].astype(str)
        spelling = {
            label: canonical_label(label, control=self.control, delimiter=self.delimiter) for label in raw.unique()
        }
        return raw.map(spelling)

    def _doses(self, adata: AnnData, labels: pd.Series) -> np.ndarray:
        """Dose of every cell: 1 without a dose column, 0 for controls."""
        perturbed = (labels != self.control).to_numpy()
        if self.dose_key is None:
            return perturbed.astype(np.float64)
        doses = pd.to_numeric(adata.obs[self.dose_key], errors="coerce").to_numpy(dtype=np.float64)
        if not np.isfinite(doses[perturbed]).all():
            msg = f"`adata.obs[{self.dose_key!r}]` must be a finite number for every perturbed cell."
            raise ValueError(msg)
        if (doses[perturbed] < 0).any():
            msg = f"`adata.obs[{self.dose_key!r}]` holds negative doses such as {doses[perturbed].min():g}."
            raise ValueError(msg)
        return np.where(perturbed, doses, 0.0)

    def _write(self, adata: AnnData, labels: pd.Series, vocabulary: list[str]) -> dict[str, Any]:
        """Write the code of every cell; nothing is written if a label is unknown."""
        conditions = pd.MultiIndex.from_arrays([labels.to_numpy(), self._doses(adata, labels)])
        codes, unique = pd.factorize(conditions, sort=True)
        names, doses = list(unique.get_level_values(0)), unique.get_level_values(1).to_numpy(dtype=np.float64)
        encode_labels(names, vocabulary, control=self.control, delimiter=self.delimiter)
        adata.obs[self.attr_key] = codes.astype(np.int64)
        return {
            "vocabulary": vocabulary,
            "conditions": names,
            "doses": doses,
            "control": self.control,
            "delimiter": self.delimiter,
        }

    def get_summary_stats(self, state_registry: dict[str, Any]) -> dict[str, int]:
        """Number of single perturbations and of conditions."""
        return {
            "n_perturbations": len(state_registry["vocabulary"]),
            "n_conditions": len(state_registry["conditions"]),
        }

    def view_state_registry(self, state_registry: dict[str, Any]) -> None:
        """No table: the labels are in the data."""
        return None


class GeneSetField(BaseAnnDataField):
    """Keeps the membership of genes in sets with the model, so that a saved model needs no gene sets in new data.

    Parameters
    ----------
    registry_key
        Name of the field in the registry.
    attr_key
        Entry of ``varm`` with the membership, genes x sets. It may be missing where it has its usual name.
    """

    def __init__(self, registry_key: str, attr_key: str) -> None:
        super().__init__()
        self._registry_key, self._attr_key = registry_key, attr_key
        self.required = attr_key != Key.varm.GENE_SETS

    @property
    def registry_key(self) -> str:
        """Name of the field in the registry."""
        return self._registry_key

    @property
    def attr_name(self) -> str:
        """Attribute that holds the membership."""
        return "varm"

    @property
    def attr_key(self) -> str:
        """Entry that holds the membership."""
        return self._attr_key

    @property
    def is_empty(self) -> bool:
        """Without sets there is no field."""
        return False

    def get_data_registry(self) -> dict[str, Any]:
        """Nothing to load with a batch of cells: the field describes genes."""
        return {}

    def validate_field(self, adata: AnnData) -> None:
        """Check that the membership is there if it must be."""
        if self.required and self._attr_key not in adata.varm:
            msg = (
                f"`adata.varm[{self._attr_key!r}]` does not exist. Add gene sets with "
                "`scpi.tl.gene_sets(adata, 'sets.gmt')`."
            )
            raise KeyError(msg)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Store the members of every set; none where there is no such entry and it is not required."""
        self.validate_field(adata)
        if self._attr_key not in adata.varm:
            return {"names": [], "genes": np.zeros(0, np.int64), "sets": np.zeros(0, np.int64)}
        membership, names = read_gene_sets(adata, self._attr_key)
        genes, sets = membership.nonzero()
        return {"names": list(names), "genes": genes.astype(np.int64), "sets": sets.astype(np.int64)}

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Keep the sets of the model; the target needs none, now or later."""
        self.required = False
        return state_registry

    def get_summary_stats(self, state_registry: dict[str, Any]) -> dict[str, int]:
        """Number of gene sets."""
        return {"n_gene_sets": len(state_registry.get("names", []))}

    def view_state_registry(self, state_registry: dict[str, Any]) -> None:
        """No table: the sets are in the data."""
        return None


class LabelField(CategoricalObsField):
    """A label that every cell has, such as its batch."""

    def validate_field(self, adata: AnnData) -> None:
        """Check that the column is there and complete."""
        _check_column(adata, self._original_attr_key)
        super().validate_field(adata)
        missing = int(adata.obs[self._original_attr_key].isna().sum())
        if missing:
            msg = f"`adata.obs[{self._original_attr_key!r}]` has no value for {missing} cells."
            raise ValueError(msg)


class ContextField(LabelField):
    """A label that may have other values in new cells: a prediction transfers to contexts not trained on."""

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other cells; contexts of theirs come after those of ``state_registry``."""
        return dict(super().transfer_field(state_registry, adata_target, **(kwargs | {"extend_categories": True})))


class SizeFactorField(NumericalObsField):
    """Depth of every cell."""

    def validate_field(self, adata: AnnData) -> None:
        """Check that the depths are positive numbers."""
        _check_column(adata, self.attr_key)
        super().validate_field(adata)
        depth = pd.to_numeric(adata.obs[self.attr_key], errors="coerce").to_numpy(dtype=np.float64)
        wrong = int((~(np.isfinite(depth) & (depth > 0))).sum())
        if wrong:
            msg = f"`adata.obs[{self.attr_key!r}]` must be a positive number for every cell; it is not for {wrong}."
            raise ValueError(msg)


def _check_column(adata: AnnData, key: str) -> None:
    """A key must be a column of ``obs``."""
    if key not in adata.obs:
        msg = f"{key!r} is not a column of `adata.obs`, which has {list(adata.obs.columns)}."
        raise KeyError(msg)
