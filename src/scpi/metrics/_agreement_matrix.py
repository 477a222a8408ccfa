from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from scpi._ranking import AgreementMetric
from scpi.metrics._overlap import overlap_log_pval, top_k_jaccard, top_k_overlap
from scpi.metrics._rank_biased_overlap import rank_biased_overlap
from scpi.metrics._strength import check_k, strength, top

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray


def agreement_matrix(
    rankings: Mapping[str, ArrayLike],
    *,
    metric: AgreementMetric = "top_k_overlap",
    k: int = 100,
    p: float = 0.98,
    absolute: bool = True,
    n_genes: int | None = None,
) -> pd.DataFrame:
    """Compare rankings of genes pairwise.

    Parameters
    ----------
    rankings
        Rankings by name: scores of the same genes, in the same order; or Series of scores by gene; or lists of gene
        names, best first. Genes that are missing from a Series or list, or have the score NaN, have no rank there.
    metric
        :func:`top_k_overlap` (the row is the truth), :func:`top_k_jaccard`, :func:`rank_biased_overlap` or
        :func:`overlap_log_pval` (of the first `k` genes, among those that both rank).
    k
        Number of top genes; not used by the rank-biased overlap.
    p
        Persistence of the rank-biased overlap: larger values give more weight to lower ranks.
    absolute
        Whether to rank by the absolute score instead of the score. Lists of names keep their order.
    n_genes
        Number of genes that could have been ranked, for the p-value of an overlap. It is required with lists of names,
        as these do not contain all genes.

    Returns
    -------
    The value of the metric for each pair, rankings x rankings.

    Raises
    ------
    ValueError
        If there are no rankings, the metric is unknown, a gene is listed twice, or scores without names differ in
        length.

    Examples
    --------
    >>> from scpi.metrics import agreement_matrix
    >>> agreement_matrix({"t": ["g1", "g2", "g3"], "wilcoxon": ["g3", "g1", "g2"]}, k=2).values.tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    if metric not in get_args(AgreementMetric):
        msg = f"`metric` must be one of {', '.join(map(repr, get_args(AgreementMetric)))}, but is {metric!r}."
        raise ValueError(msg)
    check_k(k)
    if metric == "overlap_log_pval" and n_genes is None and any(map(_is_list, rankings.values())):
        msg = "Lists of genes do not show how many there are: give `n_genes`."
        raise ValueError(msg)
    scores, names = _align(rankings), list(rankings)
    values = np.empty((len(names), len(names)))
    for i, x in enumerate(scores):
        for j, y in enumerate(scores):
            if metric == "top_k_overlap":
                values[i, j] = top_k_overlap(x, y, k=k, absolute=absolute)
            elif metric == "top_k_jaccard":
                values[i, j] = top_k_jaccard(x, y, k=k, absolute=absolute)
            elif metric == "rank_biased_overlap":
                values[i, j] = rank_biased_overlap(x, y, p=p, absolute=absolute)
            else:
                values[i, j] = _log_pval(x, y, k=k, absolute=absolute, n_genes=n_genes)
    return pd.DataFrame(values, index=names, columns=names)


def _is_list(ranking: ArrayLike) -> bool:
    """Whether a ranking lists names rather than scores."""
    return np.asarray(ranking).dtype.kind not in "biuf"


def _align(rankings: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Scores of the same genes for every ranking; NaN for missing genes."""
    if not rankings:
        msg = "There are no rankings to compare."
        raise ValueError(msg)
    plain = [not isinstance(ranking, pd.Series) and not _is_list(ranking) for ranking in rankings.values()]
    shapes = {np.shape(ranking) for ranking in rankings.values()}
    if any(plain):
        if not all(plain) or len(shapes) > 1 or len(next(iter(shapes))) != 1:
            msg = "Scores without names of genes must be vectors of the same genes; give Series by gene instead."
            raise ValueError(msg)
        return np.array([np.asarray(ranking, dtype=np.float64) for ranking in rankings.values()])
    named = {}
    for name, ranking in rankings.items():
        series: Any = ranking
        if _is_list(ranking):
            series = pd.Series(np.arange(np.size(ranking), 0, -1.0), index=pd.Index(np.asarray(ranking, dtype=object)))
        if series.index.has_duplicates:
            twice = series.index[series.index.duplicated()]
            msg = f"Ranking {name!r} lists {twice[0]!r} more than once."
            raise ValueError(msg)
        named[name] = series.astype(np.float64)
    return pd.concat(named, axis=1, sort=False).to_numpy().T


def _log_pval(x: NDArray[np.float64], y: NDArray[np.float64], *, k: int, absolute: bool, n_genes: int | None) -> float:
    if n_genes is None:
        # Only genes that both could have ranked count
        shared = ~(np.isnan(x) | np.isnan(y))
        if not shared.any():
            return float("nan")
        x, y, n_genes = x[shared], y[shared], int(shared.sum())
    first, second = (top(strength(values, absolute=absolute), k) for values in (x, y))
    return float(overlap_log_pval((first & second).sum(), first.sum(), second.sum(), n_genes=n_genes))
