from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._ranking import FRACTIONS, read_ranking, rows_of_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


_EXTRA = ("effect", "ave_expr", "lods", "std_error", "ci_low", "ci_high", "df")


@fill
def de_df(
    data: AnnData | MuData,
    *,
    key: str = Key.uns.RANK_GENES,
    group: str | Sequence[str] | None = None,
    pval_cutoff: float | None = None,
    log2fc_min: float | None = None,
    log2fc_max: float | None = None,
    top_n: int | None = None,
    mod: str | None = None,
) -> pd.DataFrame:
    """List tests of differential expression, one row per group and gene.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` with a ranking of genes, as written by :func:`scpi.de.rank_genes`, :func:`scpi.de.limma` or
        :func:`scanpy.tl.rank_genes_groups`.
    group
        Group or groups to return; all if `None`.
    pval_cutoff
        Maximum adjusted p-value of the genes.
    log2fc_min, log2fc_max
        Minimum and maximum log2 fold change of the genes.
    top_n
        Maximum number of genes per group, the best ones that pass the other filters.
    %(mod)s

    Returns
    -------
    The columns `group`, `gene`, `rank` (from 1), `score`, `log2fc`, `pval`, `log10_pval` (in tests by scpi finite even
    if `pval` underflows), `pval_adj`, and other results of the test, such as `ave_expr`, `lods`, `ci_low` and `ci_high`
    of limma, `pts` and `pts_rest`. `effect` is the effect size of the test in its own units: the rank-biserial
    correlation for "wilcoxon"; the difference of the means of the tested expression for "t-test",
    "t-test_overestim_var" and "logistic"; the difference of the means in counts at the median depth for "poisson" and
    "zinb"; `log2fc` for "deseq2" and "edger". Rows are sorted by group and rank. Genes that were not tested in a group are left
    out.

    Raises
    ------
    %(ranking_KeyError)s
    ValueError
        If a group was not tested.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    >>> scpi.get.de_df(adata, group="Dendritic", top_n=2)["gene"].tolist()
    ['LYZ', 'CST3']
    """
    adata = resolve_modality(data, mod)
    ranking = read_ranking(adata, key)
    rows = rows_of_groups(ranking, group)
    order = ranking.order(rows)
    n_groups, n_genes = order.shape

    def ranked(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.take_along_axis(np.asarray(values[rows], dtype=np.float64), order, axis=1).ravel()

    columns = {
        # Store each string once, as there may be a million rows
        "group": pd.Categorical.from_codes(
            np.repeat(np.arange(n_groups), n_genes), pd.Index(ranking.groups[rows], dtype=object)
        ),
        "gene": ranking.genes[order].ravel(),
        "rank": np.tile(np.arange(1, n_genes + 1), n_groups),
        "score": ranked(ranking.scores),
        "log2fc": ranked(ranking.logfoldchanges),
        "pval": 10.0 ** (log10_pval := ranked(ranking.log10_pvals)),
        "log10_pval": log10_pval,
        "pval_adj": ranked(ranking.pvals_adj),
    }
    extra = ranking.extra.keys() - FRACTIONS.values()
    columns |= {name: ranked(ranking.extra[name]) for name in sorted(extra, key=_place)}
    for name, records in FRACTIONS.items():
        table = adata.uns[key].get(name)
        if records in ranking.extra:
            columns[name] = ranked(ranking.extra[records])
        elif table is not None:
            columns[name] = ranked(table.reindex(index=ranking.genes, columns=ranking.groups).to_numpy().T)
    frame = pd.DataFrame(columns)
    chosen = frame["score"].notna()
    if pval_cutoff is not None:
        chosen &= frame["pval_adj"] <= pval_cutoff
    if log2fc_min is not None:
        chosen &= frame["log2fc"] >= log2fc_min
    if log2fc_max is not None:
        chosen &= frame["log2fc"] <= log2fc_max
    frame = frame[chosen]
    if top_n is not None:
        frame = frame.groupby("group", observed=True, sort=False).head(top_n)
    return frame.reset_index(drop=True)


def _place(name: str) -> tuple[int, str]:
    """Find the position of a column, as files do not keep the order."""
    return (_EXTRA.index(name) if name in _EXTRA else len(_EXTRA), name)
