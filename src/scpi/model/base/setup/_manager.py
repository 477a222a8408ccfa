"""Managers of registered data that find the counts of other data by the rule that the setup found them by."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from scvi.data import AnnDataManager
from scvi.data import fields as scvi_fields
from scvi.data._constants import _SETUP_ARGS_KEY

from scpi._layer_of_counts import layer_of_new_counts
from scpi.model.base._constants import KEYS

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


class CountsManager(AnnDataManager):
    """Manager of the data of a model of counts, whose first field is the expression."""

    def transfer_fields(self, adata_target: AnnData | MuData, **kwargs: Any) -> AnnDataManager:
        """Register other data, whose counts may be in the other of the two places that need no name."""
        method = deepcopy(self._get_setup_method_args())
        registered, modality = method[_SETUP_ARGS_KEY]["layer"], getattr(self.fields[0], "mod_key", None)
        layer = layer_of_new_counts(adata_target if modality is None else adata_target.mod[modality], registered)
        if layer == registered:
            return super().transfer_fields(adata_target, **kwargs)
        method[_SETUP_ARGS_KEY]["layer"] = layer
        fields = [expression_field(layer, modality), *self.fields[1:]]
        manager = type(self)(fields, method, self.validation_checks)
        manager.register_fields(adata_target, self.registry, **kwargs)
        return manager


def expression_field(layer: str | None, modality: str | None) -> Any:
    """Field of the expression, of an AnnData or of a modality of a MuData."""
    if modality is None:
        return scvi_fields.LayerField(KEYS.X, layer, is_count_data=False)
    return scvi_fields.MuDataLayerField(KEYS.X, layer, mod_key=modality, is_count_data=False)
