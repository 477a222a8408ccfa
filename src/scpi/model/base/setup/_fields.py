"""Fields of scvi-tools for perturbation labels, contexts and gene sets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scvi.data.fields import BaseAnnDataField, CategoricalObsField, NumericalObsField

from scpi._gene_sets import read_gene_sets
from scpi._keys import Key
from scpi._screen._conditions import describe_conditions, encode_conditions, read_conditions
from scpi._screen._labels import Labelling, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi._screen._conditions import Condition
    from scpi._screen._labels import Control


logger = logging.getLogger(__name__)


class StoredField(BaseAnnDataField):
    """A field whose values are stored under an attribute (``"obs"``) and a key (the name of a column)."""

    registry_key = attr_name = attr_key = ""
    # A field that is registered has values
    is_empty = False

    def __init__(self, registry_key: str, attr_name: str, attr_key: str) -> None:
        super().__init__()
        self.registry_key, self.attr_name, self.attr_key = registry_key, attr_name, attr_key

    def view_state_registry(self, state_registry: dict[str, Any]) -> None:
        """Return no table, as the values are in the data."""
        return None


class PerturbationField(StoredField):
    """Reads labels such as ``"A+B"`` as doses of single perturbations over a frozen vocabulary.

    Each cell stores the integer code of its condition: a canonical label and the dose of each member. The vocabulary of
    single perturbations is kept when the setup is transferred to other cells, so that unseen combinations of known
    perturbations are encoded there, and unknown perturbations raise an error.

    Parameters
    ----------
    registry_key
        Name of the field in the registry.
    attr_key
        Column of ``obs`` with the labels.
    control, delimiter
        Label or labels of the unperturbed cells, and separator of the members of a combination; ``None`` without
        combinations.
    dose_key
        Column of ``obs`` with one dose, which multiplies the code of every member of the label, or one dose per member.
    """

    def __init__(
        self,
        registry_key: str,
        attr_key: str,
        *,
        control: Control | Sequence[Control],
        delimiter: str | None,
        dose_key: str | None = None,
    ) -> None:
        super().__init__(registry_key, "obs", Key.obs.CONDITION)
        self.label_key = attr_key
        self.labelling = Labelling.of(control, delimiter)
        self.dose_key = dose_key

    def validate_field(self, adata: AnnData) -> None:
        """Check the labels and the doses."""
        super().validate_field(adata)
        for key in [self.label_key, *([self.dose_key] if self.dose_key else [])]:
            check_column(adata, key)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Learn the vocabulary and write the codes."""
        self.validate_field(adata)
        conditions, codes = self._read(adata)
        labels = [condition.label for condition in conditions]
        vocabulary = self.labelling.vocabulary(labels)
        self.labelling.warn_of_lone_members(labels)
        if not vocabulary:
            msg = f"`adata.obs[{self.label_key!r}]` holds no perturbation, only {self.labelling.control!r}."
            raise ValueError(msg)
        if self.labelling.control not in labels:
            there = [str(label) for label in adata.obs[self.label_key].unique()]
            msg = (
                f"No cell of `adata.obs[{self.label_key!r}]` is labelled {quoted(self.labelling.control_names)} (`control`). "
                f"It holds {quoted(there)}."
            )
            raise ValueError(msg)
        registered = self._write(adata, conditions, codes, vocabulary)
        understood = describe_conditions(conditions, codes, adata.obs[self.label_key], self.labelling)
        logger.info("%r: %s", self.label_key, understood)
        return registered

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other cells over the vocabulary of ``state_registry``."""
        super().transfer_field(state_registry, adata_target, **kwargs)
        self.validate_field(adata_target)
        return self._write(adata_target, *self._read(adata_target), list(state_registry["vocabulary"]))

    def _read(self, adata: AnnData) -> tuple[list[Condition], NDArray[np.int64]]:
        """Conditions of the cells; every cell must have one."""
        conditions, codes = read_conditions(
            adata.obs[self.label_key],
            self.labelling,
            None if self.dose_key is None else adata.obs[self.dose_key],
            where=(self.label_key, self.dose_key),
        )
        missing = codes < 0
        if missing.any():
            there = [str(label) for label in adata.obs[self.label_key][missing].unique()]
            msg = (
                f"`adata.obs[{self.label_key!r}]` has no label for {int(missing.sum())} cells, which hold {quoted(there)}. "
                "Remove or label them."
            )
            raise ValueError(msg)
        return conditions, codes

    def _write(
        self, adata: AnnData, conditions: Sequence[Condition], codes: NDArray[np.int64], vocabulary: list[str]
    ) -> dict[str, Any]:
        """Write the code of every cell; nothing is written if a label is unknown."""
        labels = [condition.label for condition in conditions]
        encode_conditions(labels, vocabulary, self.labelling)
        adata.obs[self.attr_key] = codes
        # Plain containers, which a saved model can store
        return {
            "vocabulary": vocabulary,
            "conditions": labels,
            "doses": [condition.doses for condition in conditions],
            "controls": list(self.labelling.controls),
            "delimiter": self.labelling.delimiter,
        }

    def get_summary_stats(self, state_registry: dict[str, Any]) -> dict[str, int]:
        """Number of single perturbations and of conditions."""
        return {
            "n_perturbations": len(state_registry["vocabulary"]),
            "n_conditions": len(state_registry["conditions"]),
        }


class GeneSetField(StoredField):
    """Stores the membership of genes in sets with the model, so that a saved model needs no gene sets in new data.

    Parameters
    ----------
    registry_key
        Name of the field in the registry.
    attr_key
        Entry of ``varm`` with the membership, genes x sets. It is optional under its default name.
    """

    def __init__(self, registry_key: str, attr_key: str) -> None:
        super().__init__(registry_key, "varm", attr_key)
        self.required = attr_key != Key.varm.GENE_SETS

    def get_data_registry(self) -> dict[str, Any]:
        """Return nothing to load with a batch of cells, as the field describes genes."""
        return {}

    def validate_field(self, adata: AnnData) -> None:
        """Check that the membership exists if it is required."""
        if self.required and self.attr_key not in adata.varm:
            msg = (
                f"`adata.varm[{self.attr_key!r}]` does not exist. Add gene sets with "
                "`scpi.tl.gene_sets(adata, 'sets.gmt')`."
            )
            raise KeyError(msg)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Store the members of every set; none if the entry is missing and not required."""
        self.validate_field(adata)
        if self.attr_key not in adata.varm:
            return {"names": [], "genes": np.zeros(0, np.int64), "sets": np.zeros(0, np.int64)}
        membership, names = read_gene_sets(adata, self.attr_key)
        genes, sets = membership.nonzero()
        return {"names": list(names), "genes": genes.astype(np.int64), "sets": sets.astype(np.int64)}

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Keep the sets of the model; the new data needs none."""
        self.required = False
        return state_registry

    def get_summary_stats(self, state_registry: dict[str, Any]) -> dict[str, int]:
        """Number of gene sets."""
        return {"n_gene_sets": len(state_registry.get("names", []))}


class LabelField(CategoricalObsField):
    """A label of every cell, such as its batch."""

    def validate_field(self, adata: AnnData) -> None:
        """Check that the column exists and is complete."""
        check_column(adata, self._original_attr_key)
        super().validate_field(adata)
        missing = int(adata.obs[self._original_attr_key].isna().sum())
        if missing:
            msg = f"`adata.obs[{self._original_attr_key!r}]` has no value for {missing} cells."
            raise ValueError(msg)


class ContextField(LabelField):
    """A label that may have other values in new cells: a prediction transfers to contexts not trained on."""

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Write the codes of other cells; new contexts follow those of ``state_registry``."""
        return dict(super().transfer_field(state_registry, adata_target, **(kwargs | {"extend_categories": True})))


class SizeFactorField(NumericalObsField):
    """Depth of every cell."""

    def validate_field(self, adata: AnnData) -> None:
        """Check that the depths are positive numbers."""
        check_column(adata, self.attr_key)
        super().validate_field(adata)
        depth = pd.to_numeric(adata.obs[self.attr_key], errors="coerce").to_numpy(dtype=np.float64)
        wrong = int((~(np.isfinite(depth) & (depth > 0))).sum())
        if wrong:
            msg = f"`adata.obs[{self.attr_key!r}]` must be a positive number for every cell; it is not for {wrong}."
            raise ValueError(msg)


def check_column(adata: AnnData, key: str) -> None:
    """Check that a key is a column of ``obs``."""
    if key not in adata.obs:
        msg = f"{key!r} is not a column of `adata.obs`, which has {list(adata.obs.columns)}."
        raise KeyError(msg)
