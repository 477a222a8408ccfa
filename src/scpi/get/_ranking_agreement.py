from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._mudata import resolve_modality
from scpi._ranking import rows_of_groups
from scpi._slots import listed
from scpi.get._rankings import read_rankings, scores_of_group
from scpi.metrics import agreement_matrix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData

    from scpi._ranking import AgreementMetric, Ranking


@fill
def ranking_agreement(
    data: AnnData | MuData,
    keys: Sequence[str] | Mapping[str, str] | None = None,
    *,
    group: str | Sequence[str] | None = None,
    metric: AgreementMetric = "top_k_overlap",
    k: int = 100,
    p: float = 0.98,
    absolute: bool | None = None,
    mod: str | None = None,
) -> pd.DataFrame:
    """Compute the pairwise agreement between rankings of genes, such as those of several methods.

    Parameters
    ----------
    %(data)s
    %(ranking_keys)s
    group
        Group or groups to compare; if `None`, those that all rankings have. The mean over the groups is returned.
    metric
        :func:`scpi.metrics.top_k_overlap` (the row is the truth), :func:`scpi.metrics.top_k_jaccard`,
        :func:`scpi.metrics.rank_biased_overlap` or :func:`scpi.metrics.overlap_log_pval` (of one group).
    k
        Number of top genes; not used by the rank-biased overlap.
    p
        Persistence of the rank-biased overlap: the larger it is, the more genes below the top contribute.
    %(ranking_absolute)s
    %(mod)s

    Returns
    -------
    The value of the metric for each pair, rankings x rankings.

    Raises
    ------
    KeyError
        If one of the keys has no ranking, or there are fewer than two rankings.
    ValueError
        If fewer than two keys are given, the rankings have no group in common, or a group is not in all of them.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> for method in ("t-test", "wilcoxon"):
    ...     sc.tl.rank_genes_groups(adata, "bulk_labels", method=method, key_added=method)
    >>> scpi.get.ranking_agreement(adata, ["t-test", "wilcoxon"], k=10).round(2).values.tolist()
    [[1.0, 0.8], [0.8, 1.0]]
    """
    adata = resolve_modality(data, mod)
    rankings = read_rankings(adata, keys, at_least=2)
    groups = _shared_groups(rankings, group)
    if metric == "overlap_log_pval" and len(groups) > 1:
        msg = f"P-values of {len(groups)} groups have no mean: choose one `group`."
        raise ValueError(msg)
    matrices = []
    for one in groups:
        scores = {name: scores_of_group(ranking, one, absolute) for name, ranking in rankings.items()}
        matrices.append(agreement_matrix(scores, metric=metric, k=k, p=p, absolute=bool(absolute)))
    # Groups without ranked genes are ignored
    means = np.nanmean(np.array(matrices), axis=0) if len(matrices) > 1 else np.array(matrices[0])
    return pd.DataFrame(means, index=list(rankings), columns=list(rankings))


def _shared_groups(rankings: Mapping[str, Ranking], group: str | Sequence[str] | None) -> list[str]:
    if group is not None:
        for ranking in rankings.values():
            rows_of_groups(ranking, group)
        return [group] if isinstance(group, str) else [str(name) for name in group]
    first, *others = (list(ranking.groups) for ranking in rankings.values())
    shared = [name for name in first if all(name in other for other in others)]
    if not shared:
        msg = f"The rankings have no group in common: the first has {listed(first)}, the next {listed(others[0])}."
        raise ValueError(msg)
    return shared
