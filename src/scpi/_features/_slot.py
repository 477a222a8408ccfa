"""Storage of features of perturbations in an AnnData."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import sparse

from scpi._features._rows import covered_rows
from scpi._slots import listed, result_params

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


class FeatureTable(NamedTuple):
    """Features of perturbations by their source."""

    names: list[str]
    """Single perturbations."""
    sources: dict[str, Any]
    """Perturbations x features of each source, dense or CSR, with rows of length 1, or 0 without features."""
    features: dict[str, list[str]]
    """What the features of each source are called."""

    def covered(self) -> dict[str, NDArray[np.bool_]]:
        """Whether each perturbation has features, by source."""
        return {source: covered_rows(values) for source, values in self.sources.items()}

    def of(self, names: list[str]) -> FeatureTable:
        """The same features for other perturbations, in their order; none for those that the table does not have."""
        place = {name: row for row, name in enumerate(self.names)}
        rows = np.array([place.get(name, -1) for name in names], dtype=np.intp)
        known = np.flatnonzero(rows >= 0)
        take = sparse.csr_matrix((np.ones(len(known)), (known, rows[known])), shape=(len(names), len(self.names)))
        return self._replace(
            names=list(names), sources={source: take @ values for source, values in self.sources.items()}
        )


def write_features(
    adata: AnnData, key: str, names: list[str], sources: dict[str, tuple[Any, list[str]]], *, params: dict[str, Any]
) -> None:
    """Store features, and what they are called, by source, in `uns`."""
    adata.uns[key] = {
        "names": np.array(names, dtype=object),
        "sources": {
            source: {"values": values, "features": np.array(features, dtype=object)}
            for source, (values, features) in sources.items()
        },
        "params": result_params(**params),
    }


def find_features(adata: Any, key: str) -> FeatureTable | None:
    """Read features that :func:`scpi.tl.perturbation_features` stored, in data or a modality of them; `None` without.

    A `ValueError` says if the entry is something else.
    """
    parts = [adata, *getattr(adata, "mod", {}).values()]
    stored = next((part.uns[key] for part in parts if key in part.uns), None)
    if stored is None:
        return None
    if not isinstance(stored, Mapping) or not {"names", "sources"} <= set(stored):
        there = listed(stored) if isinstance(stored, Mapping) else type(stored).__name__
        msg = (
            f"`adata.uns[{key!r}]` holds no features of perturbations, but {there}. Make them with "
            "`scpi.tl.perturbation_features(adata, ...)`."
        )
        raise ValueError(msg)
    names = [str(name) for name in stored["names"]]
    sources, features = {}, {}
    # Files keep no order
    for source, entry in sorted(stored["sources"].items()):
        values = entry["values"]
        if values.shape[0] != len(names):
            msg = f"The source {source!r} of `adata.uns[{key!r}]` has {values.shape[0]} rows for {len(names)} perturbations."
            raise ValueError(msg)
        sources[str(source)] = sparse.csr_matrix(values) if sparse.issparse(values) else np.asarray(values)
        features[str(source)] = _names_of(entry.get("features", ()), values.shape[1])
    return FeatureTable(names, sources, features)


def _names_of(features: Any, n: int) -> list[str]:
    """Names of the features of a source: their numbers, where somebody else has written the entry without any."""
    names = [str(name) for name in features]
    return names if len(names) == n else [str(number) for number in range(n)]
