"""Input of a ranking by gradients: counts, groups, and the counts for the p-values."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scvi import REGISTRY_KEYS

from scpi._minified import check_has_counts
from scpi._screen._checks import check_varies
from scpi._screen._stored_rows import checked_rows
from scpi._slots import listed, tested_layers
from scpi.model import attribution_target
from scpi.model.base import has_logits

if TYPE_CHECKING:
    from anndata import AnnData

    from scpi._view import View

logger = logging.getLogger(__name__)

# Usual columns with groups of cells, the most specific first
_CUSTOMARY = ("cell_type", "celltype", "cell_types", "leiden", "louvain", "cluster", "clusters", "group", "groups")


@dataclass(frozen=True)
class GradientInput:
    """Counts and groups of cells."""

    view: View
    """The data, with the layer of the counts."""
    counts: Any
    """Cells x genes, as the network reads them, in memory or as rows that are read on demand."""
    labels: pd.Categorical
    """Group of each cell."""
    groupby: str
    """Column of the groups."""
    from_model: bool
    """Whether the model assigns the groups, which are not in a column yet."""
    tested_layer: str | None
    """Layer of the counts for the tests."""
    covariates: pd.DataFrame | None = None
    """Covariates to adjust for, one row per cell."""

    @property
    def is_held_out(self) -> bool:
        """Whether the counts for the tests were held out from the network."""
        return self.tested_layer != self.view.layer


def read_input(view: View, groupby: str | None, *, model: Any, predicted: str) -> GradientInput:
    """Find counts and groups; `predicted` is the column for the groups that the model assigns."""
    if model is None:
        view = view.of_counts()
        counts = view.rows_of_counts
        check_varies(view.source, what=view.name)
    else:
        counts, layer = expression_of_model(view, model, layer=view.layer)
        view = replace(view, layer=layer)
        counts = checked_rows(counts, view.check_counts)
    from_model = groupby is None and model is not None and has_logits(model)
    if from_model:
        labels = pd.Categorical(
            np.asarray(model.predict(view.data), dtype=object), categories=attribution_target(model, "logit").names
        )
        groupby = predicted
    else:
        groupby = _find_groups(view.adata) if groupby is None else groupby
        labels = view.labels(groupby)
    layer = view.layer
    tested = layer if layer is None else tested_layers(view.adata).get(layer, layer)
    return GradientInput(view, counts, labels, groupby, from_model, tested)


def expression_of_model(view: View, model: Any, *, layer: str | None = None) -> tuple[Any, str | None]:
    """Check the data against the model, and return the expression that the model reads, and its layer."""
    _check_genes(model, view.adata, view.mod)
    check_has_counts(view.data)
    checked = model._validate_anndata(view.data)
    manager = model.get_anndata_manager(checked, required=True)
    registered = manager.registry["setup_args"].get("layer")
    if layer is not None and layer != registered:
        msg = f"The model reads the layer {registered!r}, but `layer` is {layer!r}: leave it out."
        raise ValueError(msg)
    return manager.get_from_registry(REGISTRY_KEYS.X_KEY), registered


def _check_genes(model: Any, adata: AnnData, mod: str | None) -> None:
    """Check the genes of a model of scvi-tools, which would accept any others of the same number."""
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
            f"{detail}. Give data with those genes in the same order, `adata[:, genes]`."
        )
        raise ValueError(msg)


def _find_groups(adata: AnnData) -> str:
    """Find the column of `obs` with groups of cells."""
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
