from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._saliency import Sign, find_units, has_non_negative_units, order_genes, read_saliency
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData


@fill
def programs(
    data: AnnData | MuData,
    *,
    units: str | Sequence[str] | None = None,
    top_n: int = 20,
    sign: Sign = "both",
    key: str = Key.varm.SALIENCY,
    mod: str | None = None,
) -> pd.DataFrame:
    """List the gene program of each latent unit, its genes with the largest scores.

    Parameters
    ----------
    %(data)s
    units
        Unit or units to return, in this order; all if `None`.
    top_n
        Maximum number of genes per unit.
    %(program_sign)s
    key
        Entry of `adata.varm` with a score of each gene in each unit, such as that of :func:`scpi.tl.saliency` or
        :func:`scpi.tl.consensus_programs`.
    %(mod)s

    Returns
    -------
    One row per unit and gene, with the columns `unit`, `gene`, `rank` (from 1) and `score`, sorted by unit and rank.
    Genes with a score of 0 are left out.

    Raises
    ------
    KeyError
        If the data has no such scores.
    ValueError
        If there is no such unit, `sign` is unknown, or `top_n` is below 1.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(300, 200, 2, n_genes_per_program=20)
    >>> adata.varm["loadings"] = adata.varm["programs"]
    >>> scpi.get.programs(adata, key="loadings", top_n=3)["rank"].tolist()
    [1, 2, 3, 1, 2, 3]
    """
    if sign not in get_args(Sign):
        msg = f"`sign` must be one of {listed(get_args(Sign))}, but is {sign!r}."
        raise ValueError(msg)
    if top_n < 1:
        msg = f"`top_n` must be at least 1, but is {top_n}."
        raise ValueError(msg)
    adata = resolve_modality(data, mod)
    scores, names = read_saliency(adata, key)
    non_negative = has_non_negative_units(adata, key)
    genes = adata.var_names.to_numpy().astype(str)
    frames = []
    for unit in find_units(units, names):
        values = scores[:, unit]
        order = order_genes(values, non_negative=non_negative, sign=sign)[:top_n]
        rank = np.arange(1, len(order) + 1)
        frames.append(pd.DataFrame({"unit": names[unit], "gene": genes[order], "rank": rank, "score": values[order]}))
    return pd.concat(frames, ignore_index=True)
