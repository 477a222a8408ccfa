"""New data for a trained model: its genes in the order of the model, and what of them is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from scpi._keys import Key
from scpi._slots import layer_name, listed, read_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray


def align_genes(adata: AnnData, names: Sequence[str], *, layer: str | None) -> AnnData:
    """Cells with the genes ``names`` of a model, in its order; a gene that is missing is zero and marked."""
    if not adata.var_names.is_unique:
        msg = "Gene names must be unique: call `adata.var_names_make_unique()` first."
        raise ValueError(msg)
    values = read_layer(adata, layer)
    place = adata.var_names.get_indexer(pd.Index(names))
    found = np.flatnonzero(place >= 0)
    if not len(found):
        msg = (
            f"None of the {len(names)} genes of the model is in `adata.var_names`. The model has {listed(names, 3)}, "
            f"the data {listed(adata.var_names, 3)}: are these other identifiers or another species?"
        )
        raise ValueError(msg)
    picked = sparse.csr_matrix(
        (np.ones(len(found), dtype=np.float32), (place[found], found)), shape=(adata.n_vars, len(names))
    )
    matrix = sparse.csr_matrix(sparse.csr_matrix(values) @ picked)
    aligned = ad.AnnData(
        matrix if layer is None else None,
        obs=adata.obs.copy(),
        var=pd.DataFrame({Key.var.MISSING: place < 0}, index=pd.Index(names)),
        layers={} if layer is None else {layer: matrix},
        obsm={key: value.copy() for key, value in adata.obsm.items()},
    )
    aligned.uns[Key.uns.GENE_OVERLAP] = {
        "n_genes": len(names),
        "n_found": len(found),
        "fraction_found": len(found) / len(names),
        "missing": np.array([name for name, at in zip(names, place, strict=True) if at < 0], dtype=object),
        "expression": layer_name(layer),
    }
    return aligned


def missing_genes(adata: AnnData) -> NDArray[np.intp]:
    """Genes that :func:`align_genes` marked as missing."""
    marked: Any = adata.var.get(Key.var.MISSING)
    return np.zeros(0, dtype=np.intp) if marked is None else np.flatnonzero(np.asarray(marked, dtype=bool))


def found_weight(weight: NDArray[Any], missing: NDArray[np.intp]) -> NDArray[np.float64]:
    """Fraction of the squared weights of each unit that lies on genes that are there; 1 for a unit without weights."""
    squares = np.square(weight.astype(np.float64))
    total = squares.sum(1)
    lost = squares[:, missing].sum(1)
    return np.asarray(1.0 - np.divide(lost, total, out=np.zeros_like(total), where=total > 0))
