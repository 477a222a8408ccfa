from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed
from scpi.get._rankings import read_rankings, scores_of_group
from scpi.metrics import top_k_overlap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


@fill
def ranking_accuracy(
    data: AnnData | MuData,
    keys: Sequence[str] | Mapping[str, str] | str | None = None,
    *,
    truth: str | pd.DataFrame = Key.varm.LOG2FC_REST,
    k: Sequence[int | None] | int | None = (30, 100, None),
    match: Mapping[str, str] | None = None,
    absolute: bool | None = None,
    mod: str | None = None,
) -> pd.DataFrame:
    """Compare rankings of genes with known true changes.

    The accuracy is :func:`scpi.metrics.top_k_overlap`: the fraction of the `k` genes with the largest true changes, in
    either direction, that are among the top `k` of the ranking.

    Parameters
    ----------
    %(data)s
    %(ranking_keys)s
    truth
        True changes, genes x groups, with zero for genes that do not change: an entry of `adata.varm`, or a DataFrame
        with the gene names as index, such as the logarithm of the `de_factor` of :func:`scpi.datasets.splat`.
    k
        Numbers of top genes; `None` stands for the number of truly changed genes.
    match
        Group of the truth for each group of the rankings, such as the mapping of :func:`scpi.metrics.match_labels`.
        Groups without one are left out. By default, groups are matched by name.
    %(ranking_absolute)s
    %(mod)s

    Returns
    -------
    One row per ranking, group and number of genes: `ranking`, `group`, `k` (as text, `"all"` for the truly changed
    genes), `n_true` (top genes of the truth), `accuracy`, and `chance` (mean accuracy of a random order of all genes).

    Raises
    ------
    KeyError
        If one of the keys has no ranking, or the truth does not exist.
    ValueError
        If no group of a ranking is in the truth, the truth lacks genes, or a number of genes is below 1.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(200, n_genes=300, de_prob=0.2, de_fac_scale=1.0)
    >>> scpi.de.rank_genes(adata, "group", method="wilcoxon")
    >>> table = scpi.get.ranking_accuracy(adata, k=(10, None))
    >>> table.columns.tolist()
    ['ranking', 'group', 'k', 'n_true', 'accuracy', 'chance']
    """
    adata = resolve_modality(data, mod)
    rankings = read_rankings(adata, keys, at_least=1)
    changes = _read_truth(adata, truth)
    partner = None if match is None else {str(group): str(of) for group, of in match.items()}
    depths = [k] if k is None or isinstance(k, int | np.integer) else list(k)
    rows = []
    for name, ranking in rankings.items():
        of_truth = {str(group): str(group) for group in ranking.groups} if partner is None else partner
        known = [group for group in ranking.groups if of_truth.get(group) in changes]
        if not known:
            msg = (
                f"The ranking {name!r} has the groups {listed(ranking.groups)}, and the truth {listed(changes)}: "
                "none match. Give the pairs of groups as `match=`."
            )
            raise ValueError(msg)
        for group in known:
            real = _size(changes[of_truth[group]])
            scores = scores_of_group(ranking, group, absolute).reindex(changes.index)
            score = _size(scores) if absolute else scores.to_numpy()
            n_changed = int(np.count_nonzero(~np.isnan(real)))
            for depth in depths:
                n_ranked = n_changed if depth is None else min(depth, len(real))
                rows.append(
                    {
                        "ranking": name,
                        "group": group,
                        "k": "all" if depth is None else str(depth),
                        "n_true": min(n_changed, n_ranked),
                        "accuracy": top_k_overlap(real, score, k=depth, absolute=False),
                        "chance": n_ranked / len(real),
                    }
                )
    return pd.DataFrame(rows)


def _size(values: pd.Series) -> NDArray[np.float64]:
    """Compute the magnitude of each value; NaN if it is missing or zero."""
    size = np.abs(values.to_numpy(dtype=np.float64))
    return np.where(size > 0, size, np.nan)


def _read_truth(adata: AnnData, truth: str | pd.DataFrame) -> pd.DataFrame:
    """Read true changes, the genes in the order of the data and the groups as text."""
    if isinstance(truth, str):
        if truth not in adata.varm:
            msg = f"`adata.varm` has no {truth!r}, only {listed(adata.varm)}."
            raise KeyError(msg)
        truth = adata.varm[truth]
    if not isinstance(truth, pd.DataFrame):
        msg = "The truth must be a DataFrame of genes x groups, as the groups of an array have no names."
        raise ValueError(msg)
    missing = adata.var_names.difference(truth.index)
    if len(missing):
        msg = f"`truth` does not have these genes: {listed(missing, 5)}."
        raise ValueError(msg)
    return truth.loc[adata.var_names].rename(columns=str)
