"""Reading results and inputs that are stored in an AnnData, with errors that list the available entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._mudata import resolve_modality
from scpi._screen._labels import text_labels
from scpi._screen._matrix import as_dense, as_matrix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


def listed(names: Iterable[Any], n: int = 20) -> str:
    """Names for an error message, shortened if there are many."""
    # anndata 0.13 lists X among the layers, without a name
    names = [repr(str(name)) for name in names if name is not None]
    if not names:
        return "nothing"
    return ", ".join(names[:n]) + (f", ... ({len(names)} in all)" if len(names) > n else "")


def find_column(
    data: AnnData | MuData, column: str, *, mod: str | None = None, argument: str | None = None
) -> pd.Series:
    """Find a column of `obs`, that of a modality or, for its cells, that of all modalities.

    A `KeyError` says if there is none, and which ``argument`` names it.
    """
    adata = resolve_modality(data, mod)
    if column in adata.obs:
        return adata.obs[column]
    if data is not adata and column in data.obs:
        return data.obs[column].reindex(adata.obs_names)
    columns = [*adata.obs.columns, *([] if data is adata else data.obs.columns)]
    named = "" if argument is None else f"`{argument}` names {column!r}, but "
    msg = f"{named}`obs` has no column {column!r}, only {listed(dict.fromkeys(columns))}."
    raise KeyError(msg)


def read_labels(
    data: AnnData | MuData, column: str, *, mod: str | None = None, argument: str | None = None
) -> pd.Categorical:
    """Read a label of each cell of `data`, or of its modality, as strings; a missing one has the code -1.

    The column may be in the modality or in the MuData itself. The categories are those that occur, in the order of a
    categorical column, otherwise sorted.
    """
    return text_labels(find_column(data, column, mod=mod, argument=argument))


def find_layer(adata: AnnData, layer: str | None) -> Any:
    """Matrix of a layer, or `X`, in memory or backed; a `KeyError` if there is no such layer."""
    if layer is not None and layer not in adata.layers:
        msg = f"`adata.layers` has no {layer!r}, only {listed(adata.layers)}."
        raise KeyError(msg)
    return adata.X if layer is None else adata.layers[layer]


def read_layer(adata: AnnData, layer: str | None) -> Any:
    """Matrix of a layer, or `X`, in memory: CSR or an array."""
    return as_matrix(find_layer(adata, layer), name=layer_name(layer))


def layer_name(layer: str | None) -> str:
    """Name of a layer, or of `X`, in a message."""
    return "adata.X" if layer is None else f"adata.layers[{layer!r}]"


def tested_layers(adata: AnnData) -> dict[str, str]:
    """For all thinned counts, the test layer by the layer on which models are trained."""
    entries = (entry.get("params", {}) for entry in adata.uns.values() if hasattr(entry, "get"))
    return {
        str(params["train_layer"]): str(params["test_layer"])
        for params in entries
        if hasattr(params, "get") and "train_layer" in params and "test_layer" in params
    }


def read_activity(adata: AnnData, key: str) -> tuple[NDArray[Any], NDArray[np.object_]]:
    """Read the activity of gene sets that `scpi.tl.pathway_activity` or a user stored, cells x sets.

    The names of the sets are the columns of a DataFrame, or those in `uns`.
    """
    if key not in adata.obsm:
        msg = (
            f"`adata.obsm` has no activity of gene sets {key!r}, only {listed(adata.obsm)}. "
            "Compute it with `scpi.tl.pathway_activity(adata, ...)`."
        )
        raise KeyError(msg)
    values, names = as_dense(adata.obsm[key]), column_names(adata, key, adata.obsm[key])
    if len(names) != values.shape[1]:
        msg = f"`adata.obsm[{key!r}]` has {values.shape[1]} sets, but `adata.uns[{key!r}]['names']` {len(names)} names."
        raise ValueError(msg)
    return values, names


def column_names(adata: AnnData, key: str, value: Any, part: str = "names") -> NDArray[np.object_]:
    """Names of the columns of a stored matrix: those of a DataFrame, or in `adata.uns[key][part]`, otherwise numbers."""
    stored = adata.uns.get(key)
    names = stored.get(part) if hasattr(stored, "get") else None
    if isinstance(value, pd.DataFrame):
        names = value.columns
    # Arrays of lazily read data have names when they are computed
    return np.array(
        [str(name) for name in (range(value.shape[1]) if names is None else np.asarray(names))], dtype=object
    )


def read_result(adata: AnnData, key: str, *, tool: str, part: str) -> Mapping[str, Any]:
    """Read the result of a tool from `uns`, or raise an error that names the tool."""
    value = adata.uns.get(key)
    if not hasattr(value, "get") or part not in value:
        msg = f"`adata.uns` has no result of `scpi.tl.{tool}` under {key!r}, only {listed(adata.uns)}. Call it first."
        raise KeyError(msg)
    return value


def is_storable(name: Any) -> bool:
    """Whether an entry, or a column of a table, can have this name in h5ad files and zarr stores, where it is a path."""
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name


def check_key_added(key: Any) -> None:
    """Raise a `ValueError` if the name of an entry cannot be stored."""
    if not is_storable(key):
        msg = f"`key_added` must be a name that files can hold: text that is not empty, without '/', but is {key!r}."
        raise ValueError(msg)


def result_params(**params: Any) -> dict[str, Any]:
    """Parameters in a form that can be written to files: without `None`, and with tuples as arrays."""
    return {
        name: np.asarray(value) if isinstance(value, tuple | list) else value
        for name, value in params.items()
        if value is not None
    }
