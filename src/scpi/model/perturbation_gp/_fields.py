"""Fields that teach scvi-tools to read features of perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._features import FeatureTable, find_features
from scpi._keys import Key
from scpi.model.base.setup._declaration import Field
from scpi.model.base.setup._fields import PerturbationField, StoredField

if TYPE_CHECKING:
    from anndata import AnnData


FEATURES = "features"


class DescribedPerturbationField(PerturbationField):
    """Labels whose vocabulary also holds the perturbations that features describe.

    Parameters
    ----------
    registry_key, attr_key, control, delimiter, dose_key
        As of :class:`~scpi.model.base.PerturbationField`.
    features_key
        Entry of ``uns`` with the features; it may be missing where it has its usual name.
    """

    def __init__(self, registry_key: str, attr_key: str, *, features_key: str | None, **options: Any) -> None:
        super().__init__(registry_key, attr_key, **options)
        self.features_key = features_key

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Learn the vocabulary and write the codes."""
        registered = super().register_field(adata)
        found = None if self.features_key is None else find_features(adata, self.features_key)
        described = [] if found is None else found.names
        return registered | {"vocabulary": sorted({*registered["vocabulary"], *described})}


class FeaturesField(StoredField):
    """Keeps the features of perturbations with the model, so that a saved model needs none in new data.

    Parameters
    ----------
    registry_key
        Name of the field in the registry.
    attr_key
        Entry of ``uns`` with the features. It may be missing where it has its usual name.
    """

    def __init__(self, registry_key: str, attr_key: str) -> None:
        super().__init__(registry_key, "uns", attr_key)
        self.required = attr_key != Key.uns.PERTURBATION_FEATURES

    def get_data_registry(self) -> dict[str, Any]:
        """Nothing to load with a batch of cells."""
        return {}

    def validate_field(self, adata: AnnData) -> None:
        """Check that the features are there if they must be."""
        if self.required and self.attr_key not in adata.uns:
            msg = (
                f"`adata.uns[{self.attr_key!r}]` does not exist. Describe the perturbations with "
                "`scpi.tl.perturbation_features(adata, ...)`."
            )
            raise KeyError(msg)

    def register_field(self, adata: AnnData) -> dict[str, Any]:
        """Store the features; none where there is no such entry and it is not required."""
        self.validate_field(adata)
        found = find_features(adata, self.attr_key) or FeatureTable([], {}, {})
        sources = {name: _as_parts(values) for name, values in found.sources.items()}
        return {"names": found.names, "sources": sources, "features": found.features}

    def transfer_field(self, state_registry: dict[str, Any], adata_target: AnnData, **kwargs: Any) -> dict[str, Any]:
        """Keep the features of the model; the target needs none, now or later."""
        self.required = False
        return state_registry

    def get_summary_stats(self, state_registry: dict[str, Any]) -> dict[str, int]:
        """Number of sources."""
        return {"n_feature_sources": len(state_registry["sources"])}


FEATURES_FIELD = Field(
    argument="features_key",
    registry_key=FEATURES,
    make=FeaturesField,
    modality="layer",
    default=Key.uns.PERTURBATION_FEATURES,
    description="Entry of ``adata.uns`` with features of perturbations, as :func:`scpi.tl.perturbation_features` writes it.",
)


def read_state(state: dict[str, Any]) -> FeatureTable:
    """Features as :class:`FeaturesField` registered them."""
    sources = {
        name: parts["values"]
        if "values" in parts
        else sparse.csr_matrix(
            (parts["data"], parts["indices"], parts["indptr"]), shape=(len(parts["indptr"]) - 1, parts["n_features"])
        )
        for name, parts in state["sources"].items()
    }
    # Models that were saved by an older version know no names
    features = state.get("features") or {name: map(str, range(values.shape[1])) for name, values in sources.items()}
    return FeatureTable(list(state["names"]), sources, {name: list(names) for name, names in features.items()})


def _as_parts(values: Any) -> dict[str, Any]:
    """A matrix as arrays, which are saved with a model."""
    if not sparse.issparse(values):
        return {"values": np.asarray(values, dtype=np.float32)}
    return {
        "data": values.data.astype(np.float32),
        "indices": values.indices.astype(np.int64),
        "indptr": values.indptr.astype(np.int64),
        "n_features": int(values.shape[1]),
    }
