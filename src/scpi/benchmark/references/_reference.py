"""Base class of references, with the interface of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scpi._layer_of_counts import layer_of_counts
from scpi._slots import read_layer

if TYPE_CHECKING:
    from anndata import AnnData

_SETUP = "_scpi_reference"


class Reference:
    """Reads counts like a model, without training."""

    def __init__(self, adata: AnnData) -> None:
        self.adata = adata
        self.layer = adata.uns.get(_SETUP, {}).get("layer")

    @classmethod
    def setup_anndata(cls, adata: AnnData, *, layer: str | None = None) -> None:
        """Register the layer of the counts.

        Parameters
        ----------
        adata
            Cells x genes.
        layer
            Layer with the counts. If ``None``, ``adata.X``, or ``adata.layers["counts"]`` if ``X`` does not hold
            counts.
        """
        layer = layer_of_counts(adata, layer)
        adata.uns[_SETUP] = {} if layer is None else {"layer": layer}

    def _counts(self, adata: AnnData | None = None) -> Any:
        """Counts of cells, those of the setup if ``None``."""
        return read_layer(self.adata if adata is None else adata, self.layer)
