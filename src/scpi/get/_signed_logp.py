from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._ranking import read_ranking, rows_of_groups
from scpi._slots import result_params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mudata import MuData
    from numpy.typing import NDArray

# A p-value that was stored as zero is below the smallest float
_SMALLEST = float(np.log10(np.nextafter(0.0, 1.0)))


@fill
def signed_logp(
    data: AnnData | MuData,
    *,
    key: str = Key.uns.RANK_GENES,
    group: str | Sequence[str] | None = None,
    pval_cutoff: float = 0.05,
    clip: float | None = None,
    mod: str | None = None,
) -> AnnData:
    """Return tests of differential expression as a matrix of conditions x genes.

    The names are those of the Open Problems benchmark of perturbation prediction (OP3). Its tools, and models that
    learn changes in expression, accept the result as it is.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` with a ranking of genes, as written by :func:`scpi.de.rank_genes`, :func:`scpi.de.limma` or
        :func:`scanpy.tl.rank_genes_groups`.
    group
        Group or groups to return; all if `None`.
    pval_cutoff
        Largest p-value that counts as differential expression.
    clip
        Largest absolute value of `X`: 4 in OP3, which a p-value of 0.0001 reaches. Not clipped if `None`.
    %(mod)s

    Returns
    -------
    Conditions x genes. `X` is sign(log fold change) · -log10(p). `layers` are `logFC`, `P.Value`, `adj.P.Value`, `is_de`
    (`P.Value` below `pval_cutoff`) and `is_de_adj` (`adj.P.Value` below `pval_cutoff`). Genes that were not tested in a
    condition are NaN there. `obs` has the columns that the test stored for the groups, and `var` those of the genes. A
    p-value that was stored as zero is replaced by the smallest float, 323.3 in `X`.

    Raises
    ------
    %(ranking_KeyError)s
    ValueError
        If a group was not tested, or the ranking has no p-values or log fold changes.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    >>> scpi.get.signed_logp(adata, clip=4).shape
    (10, 765)
    """
    adata = resolve_modality(data, mod)
    ranking = read_ranking(adata, key)
    rows = rows_of_groups(ranking, group)
    fold, log10_pvals, adjusted = (
        np.asarray(values, dtype=np.float64)[rows]
        for values in (ranking.logfoldchanges, ranking.log10_pvals, ranking.pvals_adj)
    )
    for values, name in ((log10_pvals, "p-values"), (fold, "log fold changes")):
        if np.isnan(values).all():
            msg = f"The ranking under {key!r} has no {name}. A test such as `scpi.de.rank_genes` gives both."
            raise ValueError(msg)
    if clip is not None and not clip > 0:
        msg = f"`clip` must be above 0, but is {clip}."
        raise ValueError(msg)
    signed = np.sign(fold) * -np.maximum(log10_pvals, _SMALLEST)
    pvals = 10.0**log10_pvals
    groups, genes = ranking.groups[rows], ranking.genes
    return AnnData(
        signed if clip is None else np.clip(signed, -clip, clip),
        obs=_describe_groups(adata.uns[key].get("groups"), groups),
        var=_describe_genes(adata, genes),
        layers={
            "logFC": fold,
            "P.Value": pvals,
            "adj.P.Value": adjusted,
            "is_de": pvals < pval_cutoff,
            "is_de_adj": adjusted < pval_cutoff,
        },
        uns={"params": result_params(key=key, pval_cutoff=pval_cutoff, clip=clip, **_source(ranking.params))},
    )


def _source(params: Mapping[str, Any]) -> dict[str, Any]:
    """Describe how the genes were tested, by the parameters that every test has."""
    return {name: params[name] for name in ("groupby", "reference", "method") if name in params}


def _describe_groups(table: object, groups: NDArray[np.object_]) -> pd.DataFrame:
    """Tabulate what a test stored about its groups, one row each."""
    index = pd.Index(groups, dtype=object)
    if not isinstance(table, pd.DataFrame) or "group" not in table or table["group"].duplicated().any():
        return pd.DataFrame(index=index)
    named = table.set_index(table["group"].astype(str)).drop(columns="group")
    return named.reindex(index).rename_axis(index=None)


def _describe_genes(adata: AnnData, genes: NDArray[np.object_]) -> pd.DataFrame:
    """Collect the columns of the genes from the data, or from the data that they were selected from."""
    for source in (adata, adata.raw):
        if source is not None and pd.Index(genes).isin(source.var_names).all() and source.var_names.is_unique:
            return source.var.loc[genes].copy()
    return pd.DataFrame(index=pd.Index(genes, dtype=object))
