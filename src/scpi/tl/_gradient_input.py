"""What a ranking by gradients starts from: counts, groups, and where the p-values come from."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scvi import REGISTRY_KEYS

from scpi._mudata import resolve_modality
from scpi._slots import layer_name, listed, read_labels, read_layer, tested_layers
from scpi.de._counts import check_counts
from scpi.model import attribution_target
from scpi.model.base import has_logits

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
        counts, layer = expression_of_model(data, model, mod=mod, layer=layer)
    from_model = groupby is None and model is not None and has_logits(model)
    if from_model:
        labels = pd.Categorical(
            np.asarray(model.predict(data), dtype=object), categories=attribution_target(model, "logit").names
        )
        groupby = predicted
    else:
        groupby = _find_groups(adata) if groupby is None else groupby
        labels = read_labels(data, groupby, mod=mod)
    name = layer_name(layer)
    return GradientInput(
        counts=check_counts(counts, name=name),
        layer=layer,
        labels=labels,
        groupby=groupby,
        from_model=from_model,
        tested_layer=layer if layer is None else tested_layers(adata).get(layer, layer),
    )


def expression_of_model(
    data: AnnData | MuData, model: Any, *, mod: str | None, layer: str | None = None
) -> tuple[Any, str | None]:
    """Expression that the model reads, once the data has been checked against it, and its layer."""
    registered = model.registry["setup_args"].get("layer")
    if layer is not None and layer != registered:
        msg = f"The model reads the layer {registered!r}, but `layer` is {layer!r}: leave it out."
        raise ValueError(msg)
    _check_genes(model, resolve_modality(data, mod), mod)
    checked = model._validate_anndata(data)
    return model.get_anndata_manager(checked, required=True).get_from_registry(REGISTRY_KEYS.X_KEY), registered


def _check_genes(model: Any, adata: AnnData, mod: str | None) -> None:
    """Models of scpi see to their genes themselves; scvi-tools would take any others of the same number."""
    if hasattr(model, "var_names_"):
        return
    trained = model.get_var_names()
    trained = np.asarray(trained[mod] if isinstance(trained, dict) else trained, dtype=str)
    given = adata.var_names.to_numpy(dtype=str)
    if not np.array_equal(trained, given):
        missing = sorted(set(trained) - set(given))
        detail = f"it has no {listed(missing, 5)}" if missing else "their order or number differs"
        msg = (
            f"The model was trained on {len(trained)} genes, and the data has {len(given)} that are not the same: "
            f"{detail}. Give it data with those genes in their order, `adata[:, genes]`."
        )
        raise ValueError(msg)


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
