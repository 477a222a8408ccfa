"""Data for the setup of models, which share matrices with the original data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def lean_data(adata: AnnData, obs: pd.DataFrame) -> AnnData:
    """Expression, layers and gene annotations with other columns of cells; entries of scvi-tools are dropped."""
    return ad.AnnData(
        X=adata.X,
        obs=obs,
        var=adata.var.copy(),
        layers={name: values for name, values in adata.layers.items() if name is not None},
        varm=dict(adata.varm),
        uns={name: value for name, value in adata.uns.items() if not name.startswith("_")},
    )
