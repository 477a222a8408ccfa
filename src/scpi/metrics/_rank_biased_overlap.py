from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_result
from scpi.metrics._strength import strengths

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def rank_biased_overlap(
    first: ArrayLike, second: ArrayLike, *, p: float = 0.98, absolute: bool = True
) -> float | NDArray[np.float64]:
    r"""Compute the rank-biased overlap: the agreement of two rankings over all depths, with most weight on the top.

    The agreement at depth :math:`d` is the fraction of the first :math:`d` genes that the rankings have in common. Its
    mean over all depths, with weights :math:`(1 - p) p^{d-1}`, is the rank-biased overlap. Unlike the overlap at a
    single `k`, it does not depend on a cutoff, and unlike a rank correlation, it is not dominated by thousands of genes
    at the bottom.

    Parameters
    ----------
    first, second
        Scores of the same genes: a vector of genes, or conditions x genes. Genes with NaN have no rank, so that the
        rankings may differ in length. Genes with equal scores share a rank.
    p
        Persistence, above 0 and below 1; larger values give more weight to lower ranks. At 0.9, the first ten ranks
        have 85 % of the weight; at 0.98, the first fifty.
    absolute
        Whether to rank by the absolute score (a score of exactly zero then has no rank) instead of the score.

    Returns
    -------
    Values between 0 (nothing in common) and 1 (the same ranking). NaN if a ranking is empty.

    Raises
    ------
    ValueError
        If the shapes differ, or `p` is out of range.

    Notes
    -----
    This is :math:`\mathrm{RBO}_\mathrm{EXT}` of Webber, Moffat and Zobel (ACM Trans. Inf. Syst. 28, 20, 2010), which
    extrapolates the observed agreement beyond the end of the rankings. Tied genes all have the rank of the first of
    them, and the agreement is twice the number of common genes over the number of genes on both sides.

    Examples
    --------
    >>> from scpi.metrics import rank_biased_overlap
    >>> rank_biased_overlap([3.0, 2.0, 1.0], [3.0, 2.0, 1.0])
    1.0
    >>> round(rank_biased_overlap([3.0, 2.0, 1.0], [2.0, 3.0, 1.0], p=0.5), 6)
    0.5
    """
    if not 0 < p < 1:
        msg = f"`p` must be above 0 and below 1, but is {p}."
        raise ValueError(msg)
    x, y = strengths(first, second, absolute=absolute)
    if x.ndim == 1:
        return _extrapolated(x, y, p)
    return as_result(np.array([_extrapolated(*rows, p) for rows in zip(x, y, strict=True)]))


def _extrapolated(x: NDArray[np.float64], y: NDArray[np.float64], p: float) -> float:
    # The shorter ranking first
    if np.isnan(x).sum() < np.isnan(y).sum():
        x, y = y, x
    short, long = (int((~np.isnan(values)).sum()) for values in (x, y))
    if short == 0:
        return float("nan")
    ranks = [_ranks(values, long) for values in (x, y)]
    depth = np.arange(1, long + 1)
    n_short, n_long, common = (
        np.cumsum(np.bincount(at, minlength=long + 2))[1:-1] for at in (*ranks, np.maximum(*ranks))
    )
    agreement = 2.0 * common / (n_short + n_long)
    # Beyond the end of the shorter ranking, extrapolate its agreement
    beyond = depth > short
    assumed = agreement[short - 1] * (depth - short)[beyond]
    agreement[beyond] = 2.0 * (common[beyond] + assumed) / (depth + n_long)[beyond]
    weights = (1.0 - p) * p ** (depth - 1.0)
    return float(weights @ agreement + p**long * agreement[-1])


def _ranks(values: NDArray[np.float64], longest: int) -> NDArray[np.intp]:
    """Ranks from 1, equal values at the first of their ranks; `longest + 1` for genes without one."""
    ranked = np.sort(-values[~np.isnan(values)])
    return np.where(np.isnan(values), longest + 1, np.searchsorted(ranked, -values) + 1)
