"""What a ranking by gradients starts from: counts, groups, and where the p-values come from."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scvi import REGISTRY_KEYS

from scpi._slots import listed, read_labels
from scpi.de._counts import check_counts
from scpi.de._rank_genes import read_layer
from scpi.model.base._explain import has_logits

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

logger = logging.getLogger(__name__)

_COUNTS = "counts"
# Columns that hold groups of cells by custom, most telling first
_CUSTOMARY = ("cell_type", "celltype", "cell_types", "leiden", "louvain", "cluster", "clusters", "group", "groups")


@dataclass(frozen=True)
class GradientInput:
    """Counts and groups of cells."""

    counts: Any
    """Cells x genes, as the network reads them."""
    layer: str | None
    """Layer of the counts."""
    labels: pd.Categorical
    """Group of each cell."""
    groupby: str
    """Column of the groups."""
    from_model: bool
    """Whether the groups are those that the model assigns, which are in no column yet."""
    tested_layer: str | None
    """Layer of the counts for the tests."""

    @property
    def is_held_out(self) -> bool:
        """Whether the counts for the tests were held out from the network."""
        return self.tested_layer != self.layer


def read_input(
    data: AnnData | MuData,
    adata: AnnData,
    groupby: str | None,
    *,
    model: Any,
    layer: str | None,
    mod: str | None,
    predicted: str,
) -> GradientInput:
    """Find counts and groups.

    Parameters
    ----------
    data
        What was given.
    adata
        The modality of it that is ranked.
    groupby, layer, mod
        As for the tool.
    model
        Trained model, or `None`.
    predicted
        Column for the groups that the model assigns.
    """
    if not adata.var_names.is_unique:
        msg = "Gene names must be unique in a ranking: call `adata.var_names_make_unique()` first."
        raise ValueError(msg)
    if model is None:
        layer = _layer_of_counts(adata, layer)
        counts = read_layer(adata, layer)
    else:
        counts, layer = _of_model(data, model, layer)
    from_model = groupby is None and model is not None and has_logits(model)
    if from_model:
        labels = pd.Categorical(np.asarray(model.predict(data), dtype=object), categories=_names(model))
        groupby = predicted
    else:
        groupby = _find_groups(adata) if groupby is None else groupby
        labels = read_labels(data, groupby, mod=mod)
    name = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
    return GradientInput(
        counts=check_counts(counts, name=name),
        layer=layer,
        labels=labels,
        groupby=groupby,
        from_model=from_model,
        tested_layer=_tested_layer(adata, layer),
    )


def _of_model(data: AnnData | MuData, model: Any, layer: str | None) -> tuple[Any, str | None]:
    """Expression that the model reads, once the data has been checked against it, and its layer."""
    registered = model.registry["setup_args"].get("layer")
    if layer is not None and layer != registered:
        msg = f"The model reads the layer {registered!r}, but `layer` is {layer!r}: leave it out."
        raise ValueError(msg)
    checked = model._validate_anndata(data)
    return model.get_anndata_manager(checked, required=True).get_from_registry(REGISTRY_KEYS.X_KEY), registered


def _names(model: Any) -> list[str]:
    """Groups in the order of the outputs of the model."""
    if hasattr(model, "clusters_"):
        return list(model.clusters_)
    known = model.adata_manager.get_state_registry(REGISTRY_KEYS.LABELS_KEY).categorical_mapping
    return [str(name) for name in known[: model.module.n_labels]]


def _layer_of_counts(adata: AnnData, layer: str | None) -> str | None:
    """The layer that was named, or `X` if it holds counts, or the layer that is called so."""
    if layer is not None or _COUNTS not in adata.layers:
        return layer
    try:
        check_counts(read_layer(adata, None))
    except ValueError:
        logger.info("`adata.X` holds no counts: those in `adata.layers['counts']` are used.")
        return _COUNTS
    return None


def _find_groups(adata: AnnData) -> str:
    """Column of `obs` that holds groups of cells."""
    columns = [name for name in adata.obs if _are_groups(adata.obs[name], adata.n_obs)]
    clustered = [name for name in columns if hasattr(adata.uns.get(name), "get")]
    for candidates in ([name for name in _CUSTOMARY if name in columns], clustered, columns):
        if candidates and (candidates is not columns or len(columns) == 1):
            logger.info("Genes are ranked for the groups in `adata.obs[%r]`.", candidates[0])
            return str(candidates[0])
    msg = (
        "Name the column of `adata.obs` with the groups of cells, `groupby=`: "
        + (f"it could be {listed(columns)}." if columns else f"none of {listed(adata.obs.columns)} looks like it.")
        + " Groups can be found with `scpi.tl.cluster(adata)`."
    )
    raise ValueError(msg)


def _are_groups(column: pd.Series, n_obs: int) -> bool:
    if not (isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(column.dtype)):
        return False
    return 2 <= column.nunique() <= max(2, min(200, n_obs // 2))


def _tested_layer(adata: AnnData, layer: str | None) -> str | None:
    """Layer to test on: the other part, if the network has seen one part of thinned counts."""
    for entry in adata.uns.values():
        params = entry.get("params", {}) if hasattr(entry, "get") else {}
        if layer is not None and hasattr(params, "get") and params.get("train_layer") == layer:
            return str(params["test_layer"])
    return layer
