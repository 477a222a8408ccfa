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
    r"""Agreement of two rankings at every depth, the top weighing most.

    The agreement at depth :math:`d` is the fraction of the first :math:`d` genes that the rankings have in common. Their
    mean over all depths, with weights :math:`(1 - p) p^{d-1}`, is the rank-biased overlap. Unlike the overlap at one
    `k` it does not hang on where the list is cut, and unlike a correlation of ranks it does not count the thousands
    of genes at the bottom.

    Parameters
    ----------
    first, second
        Scores of the same genes: a vector of genes, or conditions x genes. NaN is a gene without a rank, so that the
        rankings may be of different length. Genes with equal scores share a rank.
    p
        How far down to look, above 0 and below 1: the first ten ranks have 85 % of the weight at 0.9, the first fifty
        at 0.98.
    absolute
        Rank by the size of the score in either direction; a score of exactly zero then gives no rank. Otherwise the
        largest score comes first.

    Returns
    -------
    Values between 0 (nothing in common) and 1 (the same ranking). NaN where a ranking is empty.

    Raises
    ------
    ValueError
        If the shapes differ, or `p` is out of range.

    Notes
    -----
    This is :math:`\mathrm{RBO}_\mathrm{EXT}` of Webber, Moffat and Zobel (ACM Trans. Inf. Syst. 28, 20, 2010), which
    goes on with the agreement that was seen where the rankings end. Tied genes are all at the rank of the first of
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
    # Where the shorter one has ended, it goes on as it has agreed so far
    beyond = depth > short
    assumed = agreement[short - 1] * (depth - short)[beyond]
    agreement[beyond] = 2.0 * (common[beyond] + assumed) / (depth + n_long)[beyond]
    weights = (1.0 - p) * p ** (depth - 1.0)
    return float(weights @ agreement + p**long * agreement[-1])


def _ranks(values: NDArray[np.float64], longest: int) -> NDArray[np.intp]:
    """Ranks from 1, equal values at the first of their ranks; `longest + 1` for genes without one."""
    ranked = np.sort(-values[~np.isnan(values)])
    return np.where(np.isnan(values), longest + 1, np.searchsorted(ranked, -values) + 1)
