from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._gene_sets import read_gene_sets
from scpi._keys import Key
from scpi._mudata import resolve_modality

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@fill
def gene_sets(data: AnnData | MuData, *, key: str = Key.varm.GENE_SETS, mod: str | None = None) -> pd.DataFrame:
    """List the gene sets of the data.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.varm` with the gene sets.
    %(mod)s

    Returns
    -------
    One row per set, with the columns `set`, `size` (measured genes), `total_size` (genes in the source, missing if
    unknown) and `genes` (names of the measured genes, separated by semicolons).

    Raises
    ------
    KeyError
        If the data has no gene sets under this key.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=2, n_cells=2, n_decoy_sets=0)
    >>> scpi.get.gene_sets(adata)["size"].tolist()
    [25, 25]
    """
    adata = resolve_modality(data, mod)
    membership, names = read_gene_sets(adata, key)
    by_set = membership.tocsc()
    genes = adata.var_names.to_numpy().astype(str)
    stored = adata.uns.get(key)
    totals = stored.get("total_sizes") if hasattr(stored, "get") else None
    return pd.DataFrame(
        {
            "set": names,
            "size": np.diff(by_set.indptr).astype(np.int64),
            "total_size": pd.array(
                [pd.NA] * len(names) if totals is None else [int(size) for size in totals], dtype="Int64"
            ),
            "genes": [
                ";".join(genes[by_set.indices[start:stop]])
                for start, stop in zip(by_set.indptr[:-1], by_set.indptr[1:], strict=True)
            ],
        }
    )
