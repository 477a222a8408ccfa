"""Activity of the gene sets that contain the perturbed gene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.metrics._arrays import as_mask

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def _check(values: ArrayLike, member_mask: ArrayLike, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2):
        msg = f"`{name}` must be sets or conditions x sets, but has shape {array.shape}."
        raise ValueError(msg)
    return array, as_mask(member_mask, "member_mask", array.shape)


def dar(effect: ArrayLike, member_mask: ArrayLike) -> float | NDArray[np.float64]:
    """Compute the differential activity ratio: the change of gene sets with the perturbed gene relative to the others.

    Parameters
    ----------
    effect
        Change of the activity of each set, for one condition or conditions x sets. Absolute values are used; NaN is
        ignored.
    member_mask
        Whether the perturbed gene is a member of the set, in the same shape.

    Returns
    -------
    The mean absolute effect over the sets with the perturbed gene, divided by that over the others: above 1 if its sets
    change more. A number for one condition, otherwise one value for each. NaN without a set on either side, infinite if
    the other sets do not change.

    Raises
    ------
    ValueError
        If the shapes differ or the mask is not boolean.

    Examples
    --------
    >>> from scpi.metrics import dar
    >>> dar([-3.0, 1.0, 1.0], [True, False, False])
    3.0
    """
    values, mask = _check(effect, member_mask, "effect")
    magnitude, known = np.abs(values), ~np.isnan(values)

    def mean(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        n = chosen.sum(axis=-1)
        return np.where(n > 0, np.where(chosen, magnitude, 0.0).sum(axis=-1) / np.maximum(n, 1), np.nan)

    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.asarray(mean(mask & known) / mean(~mask & known))
    return float(ratio) if ratio.ndim == 0 else ratio


def hits_at_n(score: ArrayLike, member_mask: ArrayLike, n: int = 25) -> float | NDArray[np.float64]:
    """Compute the fraction of the gene sets with the perturbed gene that are among the `n` sets with the largest score.

    Parameters
    ----------
    score
        Score of each set, for one condition or conditions x sets, such as an effect or a test statistic. Absolute
        values are used; NaN ranks last.
    member_mask
        Whether the perturbed gene is a member of the set, in the same shape.
    n
        Number of top sets. A gene in more than `n` sets cannot reach 1.

    Returns
    -------
    A number for one condition, otherwise one value for each. NaN if the gene is in no set.

    Raises
    ------
    ValueError
        If the shapes differ, the mask is not boolean, or `n` is below 1.

    Examples
    --------
    >>> from scpi.metrics import hits_at_n
    >>> hits_at_n([5.0, -9.0, 1.0, 2.0], [True, True, True, False], n=2)
    0.6666666666666666
    """
    if n < 1:
        msg = f"`n` must be at least 1, but is {n}."
        raise ValueError(msg)
    values, mask = _check(score, member_mask, "score")
    magnitude = np.where(np.isnan(values), -np.inf, np.abs(values))
    top = np.argsort(-magnitude, axis=-1, kind="stable")[..., :n]
    hits = np.take_along_axis(mask, top, axis=-1).sum(axis=-1)
    n_own = mask.sum(axis=-1)
    share = np.asarray(np.where(n_own > 0, hits / np.maximum(n_own, 1), np.nan))
    return float(share) if share.ndim == 0 else share
