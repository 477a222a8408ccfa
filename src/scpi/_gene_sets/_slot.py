"""Storage of gene sets in an AnnData."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._keys import Key
from scpi._screen._matrix import as_matrix, stored_values
from scpi._slots import column_names, listed, result_params

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi._gene_sets._match import Match


def write_gene_sets(adata: AnnData, match: Match, *, params: dict[str, Any], key: str = Key.varm.GENE_SETS) -> None:
    """Store the membership in `varm` and the description of the sets in `uns`, under the same key."""
    if adata.is_view:
        # Writing to a view makes it a copy in any case; here this is intended
        adata._init_as_actual(adata.copy())
    adata.varm[key] = match.membership
    adata.uns[key] = {
        "names": match.names,
        "sizes": match.sizes,
        "total_sizes": match.total_sizes,
        "coverage": dict(match.coverage),
        "params": result_params(**params),
    }


def read_gene_sets(adata: AnnData, key: str = Key.varm.GENE_SETS) -> tuple[sparse.csr_matrix, NDArray[np.object_]]:
    """Read gene sets that :func:`scpi.tl.gene_sets` or a user stored: boolean, genes x sets, and the names of the sets.

    The entry of `adata.varm` is a sparse or dense matrix or a DataFrame of zeros and ones, genes x sets. The names are
    the columns of a DataFrame, or `adata.uns[key]["names"]`, otherwise numbers. A `KeyError` says if there is no such
    entry, and a `ValueError` if it has no sets, values other than zero and one, or names that are repeated or whose
    number is wrong.
    """
    if key not in adata.varm:
        msg = f"`adata.varm` has no gene sets {key!r}, only {listed(adata.varm)}. Add them with `scpi.tl.gene_sets(adata, ...)`."
        raise KeyError(msg)
    value = adata.varm[key]
    matrix = as_matrix(value)
    values = stored_values(matrix)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        msg = f"`adata.varm[{key!r}]` must be genes x sets with at least one set, but has shape {matrix.shape}."
        raise ValueError(msg)
    if values.dtype != bool and (values.dtype == object or not np.isin(values, (0, 1)).all()):
        msg = f"`adata.varm[{key!r}]` must indicate whether a gene is in a set: boolean, or zeros and ones."
        raise ValueError(msg)
    membership = sparse.csr_matrix(matrix, dtype=bool, copy=True)
    membership.eliminate_zeros()
    names = column_names(adata, key, value)
    if len(names) != membership.shape[1]:
        msg = (
            f"`adata.varm[{key!r}]` has {membership.shape[1]} sets, but `adata.uns[{key!r}]['names']` has "
            f"{len(names)} names."
        )
        raise ValueError(msg)
    if len(set(names)) != len(names):
        msg = f"The names of the gene sets {key!r} are not unique."
        raise ValueError(msg)
    return membership, names
