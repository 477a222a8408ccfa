"""Overlap of the top genes of two rankings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from scpi.metrics._arrays import as_mask, as_result, ratio
from scpi.metrics._strength import check_k, strength, strengths, top

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def top_k_overlap(
    real: ArrayLike, predicted: ArrayLike, *, k: int | None = 20, absolute: bool = True
) -> float | NDArray[np.float64]:
    """Compute the fraction of the `k` true top genes that are also among the top `k` genes of another score.

    For effects, it is the fraction of the most strongly changed genes that are predicted to change most. For tests
    against known genes, it is the accuracy ACC@k. For t statistics of real and of predicted cells, with `k=100` and
    `absolute=False`, it is the fraction of common differentially expressed genes of published benchmarks.

    Parameters
    ----------
    real, predicted
        Scores of the same genes, such as changes relative to the control: a vector of genes, or conditions x genes.
        Genes with NaN have no rank, such as genes that were not tested.
    k
        Number of genes; if `None`, the number of genes with a rank in `real`.
    absolute
        Whether to rank by the absolute score (a score of exactly zero then has no rank) instead of the score. Ties are
        broken by the order of the genes.

    Returns
    -------
    Values between 0 and 1. NaN if no gene has a rank in `real`.

    Raises
    ------
    ValueError
        If the shapes differ, or `k` is below 1.

    Examples
    --------
    >>> from scpi.metrics import top_k_overlap
    >>> top_k_overlap([3.0, -2.0, 0.1], [2.0, 0.1, -3.0], k=2)
    0.5
    """
    check_k(k)
    x, y = strengths(real, predicted, absolute=absolute)
    n = (~np.isnan(x)).sum(axis=-1) if k is None else np.full(x.shape[:-1], k)
    top_real = top(x, n)
    both = (top_real & top(y, n)).sum(axis=-1, dtype=np.float64)
    return as_result(ratio(both, top_real.sum(axis=-1, dtype=np.float64)))


def top_k_jaccard(
    first: ArrayLike, second: ArrayLike, *, k: int = 20, absolute: bool = True
) -> float | NDArray[np.float64]:
    """Compute the Jaccard index of the top `k` genes of two scores: genes in both over genes in either.

    Parameters
    ----------
    first, second
        Scores of the same genes: a vector of genes, or conditions x genes. Genes with NaN have no rank.
    k
        Number of genes.
    absolute
        Whether to rank by the absolute score (a score of exactly zero then has no rank) instead of the score. Ties are
        broken by the order of the genes.

    Returns
    -------
    Values between 0 and 1. NaN if no gene has a rank.

    Raises
    ------
    ValueError
        If the shapes differ, or `k` is below 1.

    Examples
    --------
    >>> from scpi.metrics import top_k_jaccard
    >>> round(top_k_jaccard([3.0, -2.0, 0.1], [2.0, 0.1, -3.0], k=2), 3)
    0.333
    """
    check_k(k)
    tops = [top(values, k) for values in strengths(first, second, absolute=absolute)]
    both, either = (combine(*tops).sum(axis=-1, dtype=np.float64) for combine in (np.logical_and, np.logical_or))
    return as_result(ratio(both, either))


def precision_at_k(
    score: ArrayLike, member_mask: ArrayLike, *, k: int = 20, absolute: bool = True
) -> float | NDArray[np.float64]:
    """Compute the fraction of the top `k` genes that are true members.

    Parameters
    ----------
    score
        Scores of the genes: a vector, or conditions x genes. Genes with NaN have no rank.
    member_mask
        Whether a gene is a true member, in the same shape.
    k
        Number of genes.
    absolute
        Whether to rank by the absolute score (a score of exactly zero then has no rank) instead of the score. Ties are
        broken by the order of the genes.

    Returns
    -------
    Values between 0 and 1. If fewer than `k` genes have a rank, only these count. NaN if no gene has a rank.

    Raises
    ------
    ValueError
        If the shapes differ, the mask is not boolean, or `k` is below 1.

    Examples
    --------
    >>> from scpi.metrics import precision_at_k
    >>> precision_at_k([5.0, -9.0, 1.0, 2.0], [True, False, True, False], k=2)
    0.5
    """
    check_k(k)
    mask = as_mask(member_mask, "member_mask", np.shape(score))
    first = top(strength(score, absolute=absolute), k)
    return as_result(ratio((first & mask).sum(axis=-1, dtype=np.float64), first.sum(axis=-1, dtype=np.float64)))


def overlap_log_pval(
    n_both: ArrayLike, n_first: ArrayLike, n_second: ArrayLike, *, n_genes: ArrayLike
) -> float | NDArray[np.float64]:
    """Compute the log probability that two sets of genes share at least as many genes by chance.

    The null hypothesis is that the second set is drawn at random from all genes. The p-value is the upper tail of the
    hypergeometric distribution.

    Parameters
    ----------
    n_both
        Number of genes in both sets.
    n_first, n_second
        Number of genes in each set.
    n_genes
        Number of genes that could have been in both sets, such as those that both methods tested. A larger number, such
        as all genes of the genome, makes any overlap look significant.

    Returns
    -------
    Natural logarithm of the p-value, finite even if the p-value underflows; a number for four numbers.

    Raises
    ------
    ValueError
        If the sizes are inconsistent: a set exceeds the number of genes, or the overlap exceeds a set.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.metrics import overlap_log_pval
    >>> round(float(np.exp(overlap_log_pval(1, 1, 1, n_genes=20))), 6)
    0.05
    """
    both, first, second, total = np.broadcast_arrays(n_both, n_first, n_second, n_genes)
    least = np.maximum(first + second - total, 0)
    if (both < least).any() or (both > np.minimum(first, second)).any() or (np.maximum(first, second) > total).any():
        msg = f"Sets of {n_first!r} and {n_second!r} of {n_genes!r} genes cannot share {n_both!r}."
        raise ValueError(msg)
    with np.errstate(divide="ignore"):
        tail = stats.hypergeom.logsf(both - 1, total, first, second)
    return as_result(np.minimum(np.asarray(tail, dtype=np.float64), 0.0))
