from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._saliency import find_units
from scpi._slots import read_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from anndata import AnnData
    from mudata import MuData

_TABLES = ("impact", "zscore", "pval", "pval_adj", "specificity")


@fill
def gene_set_impact(
    data: AnnData | MuData,
    *,
    units: str | Sequence[str] | None = None,
    pval_cutoff: float | None = None,
    top_n: int | None = None,
    key: str = Key.uns.GENE_SET_IMPACT,
    mod: str | None = None,
) -> pd.DataFrame:
    """List the impact of gene sets on latent units.

    Parameters
    ----------
    %(data)s
    units
        Unit or units to return, in this order; all if `None`.
    pval_cutoff
        Maximum adjusted p-value of the impacts.
    top_n
        Maximum number of sets per unit, the best first.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.gene_set_impact`.
    %(mod)s

    Returns
    -------
    One row per unit and set, with the columns `unit`, `set`, `size`, `impact`, `zscore`, `pval`, `pval_adj`,
    `specificity` and `rank` (by absolute z-score within the unit, from 1), sorted by unit and rank.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If there is no such unit.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(300, 200, 2, n_genes_per_program=20)
    >>> adata.varm["gene_sets"] = adata.varm["programs"] != 0
    >>> adata.varm["loadings"] = adata.varm["programs"]
    >>> scpi.tl.gene_set_impact(adata, key="loadings")
    >>> scpi.get.gene_set_impact(adata, top_n=1)[["unit", "set"]].nunique().tolist()
    [2, 2]
    """
    stored = read_result(resolve_modality(data, mod), key, tool=Key.uns.GENE_SET_IMPACT, part="zscore")
    return tidy(stored, _TABLES, units=units, pval="pval_adj", pval_cutoff=pval_cutoff, top_n=top_n)


def tidy(
    stored: Mapping[str, Any],
    tables: Sequence[str],
    *,
    units: str | Sequence[str] | None,
    pval: str,
    pval_cutoff: float | None,
    top_n: int | None,
) -> pd.DataFrame:
    """Convert tables of units x sets to one row per unit and set, sorted by unit and rank of the absolute z-score.

    The cutoff applies to the p-values called `pval`.
    """
    names = np.array([str(name) for name in stored["units"]], dtype=object)
    sets = np.array([str(name) for name in stored["sets"]], dtype=object)
    chosen = find_units(units, names)
    order = np.argsort(-np.abs(np.asarray(stored["zscore"])[chosen]), axis=1, kind="stable")
    n_units, n_sets = order.shape
    frame = pd.DataFrame(
        {
            "unit": np.repeat(names[chosen], n_sets),
            "set": sets[order].ravel(),
            "size": np.asarray(stored["size"])[order].ravel(),
            **{name: np.take_along_axis(np.asarray(stored[name])[chosen], order, axis=1).ravel() for name in tables},
            "rank": np.tile(np.arange(1, n_sets + 1), n_units),
        }
    )
    kept = np.ones(len(frame), dtype=bool)
    if pval_cutoff is not None:
        kept &= frame[pval].to_numpy() <= pval_cutoff
    if top_n is not None:
        kept &= frame["rank"].to_numpy() <= top_n
    return frame[kept].reset_index(drop=True)
