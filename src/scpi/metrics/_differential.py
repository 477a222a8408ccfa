"""Agreement of the differential expression of predicted and real cells.

All functions take vectors of genes, or conditions x genes, from the same test on the real and on the predicted cells,
and return a number or one value for each condition. Exclude the perturbed genes, as their change is known in advance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import stats

from scpi.metrics._arrays import as_mask, as_result, ratio

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Direction = Literal["both", "up", "down"]


def as_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Check a value of each gene: a vector of genes, or conditions x genes."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2) or array.shape[-1] == 0:
        msg = f"`{name}` must be a vector of genes or conditions x genes, but has shape {array.shape}."
        raise ValueError(msg)
    return array


def as_effects(real: ArrayLike, predicted: ArrayLike, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check real and predicted values of the same genes."""
    x, y = as_values(real, "real"), as_values(predicted, name)
    if x.shape != y.shape:
        msg = f"`real` has shape {x.shape} and `{name}` {y.shape}: they must be of the same genes."
        raise ValueError(msg)
    return x, y


def count(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Number of genes of each condition."""
    return np.asarray(mask.sum(axis=-1, dtype=np.float64))


def significant_changes(
    real: ArrayLike, predicted: ArrayLike, significant: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Real changes, predicted changes (0 if not finite), and the genes that count."""
    x, y = as_effects(real, predicted, "predicted")
    chosen = as_mask(significant, "significant", x.shape) & np.isfinite(x)
    return x, np.where(np.isfinite(y), y, 0.0), chosen


def significant_jaccard(real: ArrayLike, predicted: ArrayLike) -> float | NDArray[np.float64]:
    """Compute the Jaccard index of the genes that are significant in the real and in the predicted cells.

    Parameters
    ----------
    real, predicted
        Whether a gene is significant: boolean, a vector of genes or conditions x genes.

    Returns
    -------
    Genes in both sets over genes in either, between 0 and 1: a false negative costs as much as a false positive. Two
    empty sets agree, with the value 1; if they were excluded, the prediction would affect which conditions count. The
    chance level is not 0 and grows with the size of the sets.

    Raises
    ------
    ValueError
        If the shapes differ or a mask is not boolean.

    Examples
    --------
    >>> from scpi.metrics import significant_jaccard
    >>> significant_jaccard([True, True, True, False], [True, True, False, True])
    0.5
    """
    x = np.asarray(real)
    if x.ndim not in (1, 2):
        msg = f"`real` must be a vector of genes or conditions x genes, but has shape {x.shape}."
        raise ValueError(msg)
    x, y = as_mask(x, "real", x.shape), as_mask(predicted, "predicted", x.shape)
    either = count(x | y)
    return as_result(np.where(either > 0, count(x & y) / np.maximum(either, 1.0), 1.0))


def direction_fidelity(
    real: ArrayLike, predicted: ArrayLike, significant: ArrayLike, *, predicted_significant: ArrayLike
) -> float | NDArray[np.float64]:
    r"""Compute the fraction of predicted significant genes with the right direction, with a penalty for too few calls.

    .. math:: \frac{k}{\max(n_\mathrm{predicted}, n_\mathrm{real})}

    where :math:`k` genes are significant in the predicted cells and change in the same direction as in the real cells.

    Parameters
    ----------
    real, predicted
        Effects of the genes, such as log fold changes: a vector of genes, or conditions x genes. NaN has no direction.
    significant
        Whether a gene is significant in the real cells, in the same shape.
    predicted_significant
        Whether a gene is significant in the predicted cells.

    Returns
    -------
    Values between 0 and 1: 1 if all calls are right and at least as many as in the real cells; 0.5 for as many calls
    with random directions. A call without a direction is wrong; a call of a gene whose real effect is 0 or NaN does not
    count. NaN if no gene is significant in the real cells, irrespective of the prediction.

    Raises
    ------
    ValueError
        If the shapes differ or a mask is not boolean.

    Notes
    -----
    This is a metric of the Virtual Cell Challenge of 2026, which also gives a value if only the predicted cells have
    significant genes. It ignores whether a called gene is significant in the real cells: calling many genes, with a
    direction guessed from the mean response of other perturbations, raises the score.

    Examples
    --------
    >>> from scpi.metrics import direction_fidelity
    >>> called = [True, True, False, False]
    >>> direction_fidelity([1.0, -1.0, 2.0, 0.1], [0.5, 1.0, 1.0, 0.1], called, predicted_significant=called)
    0.5
    """
    x, y = as_effects(real, predicted, "predicted")
    truth = as_mask(significant, "significant", x.shape)
    called = as_mask(predicted_significant, "predicted_significant", x.shape) & _directed(x)
    n_real = count(truth)
    n_most = np.where(n_real > 0, np.maximum(n_real, count(called)), 0.0)
    return as_result(ratio(count(called & (np.sign(x) == np.sign(y))), n_most))


def _directed(effects: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (effects != 0) & ~np.isnan(effects)


def direction_reach(
    real: ArrayLike,
    predicted: ArrayLike,
    significant: ArrayLike,
    *,
    score: ArrayLike | None = None,
    purity: float = 0.9,
) -> float | NDArray[np.float64]:
    """Compute how far down the predicted ranking of the truly significant genes their directions stay right.

    Parameters
    ----------
    real, predicted
        Effects of the genes, such as log fold changes: a vector of genes, or conditions x genes. NaN and 0 have no
        direction: such genes are wrong in `predicted`, and excluded in `real`.
    significant
        Whether a gene is significant in the real cells, in the same shape.
    score
        Confidence of the prediction for each gene, largest first, such as the negative logarithm of the p-value. If
        `None`, the absolute predicted effect, which also breaks ties. NaN ranks last.
    purity
        Minimum fraction of right directions, above 0 and up to 1, among the genes down to a depth.

    Returns
    -------
    The greatest such depth over the number of significant genes, between 0 and 1. NaN if no gene is significant.

    Raises
    ------
    ValueError
        If the shapes differ, the mask is not boolean, or `purity` is out of range.

    Notes
    -----
    This is a metric of the Virtual Cell Challenge of 2026. It depends on the order of the genes, not on the number of
    calls, and only on genes that are known to change: calling all genes significant costs nothing.

    Examples
    --------
    >>> from scpi.metrics import direction_reach
    >>> direction_reach([1.0, 1.0, -1.0, 1.0], [4.0, 3.0, 2.0, -1.0], [True] * 4)
    0.5
    """
    if not 0 < purity <= 1:
        msg = f"`purity` must be above 0 and up to 1, but is {purity}."
        raise ValueError(msg)
    x, y = as_effects(real, predicted, "predicted")
    chosen = as_mask(significant, "significant", x.shape) & _directed(x)
    sure = np.abs(y) if score is None else as_effects(x, score, "score")[1]
    # Genes that do not count rank last, preceded by those without a score
    order = np.lexsort((-np.nan_to_num(np.abs(y)), -sure, ~chosen), axis=-1)
    right = np.take_along_axis(chosen & (np.sign(x) == np.sign(y)), order, axis=-1).cumsum(axis=-1)
    n = count(chosen)
    depth = np.arange(1, x.shape[-1] + 1)
    # Rounded, as 0.9 times a depth need not be exact
    pure = (right >= np.round(purity * depth, 9)) & (depth <= n[..., None])
    return as_result(ratio(np.where(pure, depth, 0).max(axis=-1).astype(np.float64), n))


def lfc_nmae(
    real: ArrayLike, predicted: ArrayLike, significant: ArrayLike, *, min_genes: int = 10
) -> float | NDArray[np.float64]:
    r"""Compute the mean absolute error of the log fold changes of the significant genes, over their mean magnitude.

    .. math:: \frac{\sum_{g \in S} |\hat{\ell}_g - \ell_g|}{\sum_{g \in S} |\ell_g|}

    Parameters
    ----------
    real, predicted
        Log fold changes of the genes: a vector, or conditions x genes. A predicted value that is NaN or infinite counts
        as no change; genes whose real value is NaN or infinite are excluded.
    significant
        Whether a gene is significant in the real cells, in the same shape.
    min_genes
        Minimum number of significant genes of a condition; few barely significant genes are mostly noise.

    Returns
    -------
    Values from 0, without an upper bound; predicting no change scores 1. NaN with fewer genes than `min_genes`, or if
    none of them changes.

    Raises
    ------
    ValueError
        If the shapes differ, the mask is not boolean, or `min_genes` is below 1.

    Notes
    -----
    This is a metric of the Virtual Cell Challenge of 2026. The real changes of genes that are selected by significance
    are too large on average, which penalises predictions of smaller changes.

    Examples
    --------
    >>> from scpi.metrics import lfc_nmae
    >>> lfc_nmae([2.0, -2.0, 9.0], [1.0, -1.0, 0.0], [True, True, False], min_genes=2)
    0.5
    """
    if min_genes < 1:
        msg = f"`min_genes` must be at least 1, but is {min_genes}."
        raise ValueError(msg)
    x, y, chosen = significant_changes(real, predicted, significant)
    error = np.where(chosen, np.abs(y - np.where(chosen, x, 0.0)), 0.0)
    size = np.where(chosen, np.abs(x), 0.0).sum(axis=-1)
    return as_result(ratio(error.sum(axis=-1), np.where(count(chosen) < min_genes, 0.0, size)))


def pr_auc(
    real: ArrayLike, score: ArrayLike, significant: ArrayLike, *, direction: Direction = "both"
) -> float | NDArray[np.float64]:
    """Compute the area under the precision-recall curve of a score for the truly significant genes, by direction.

    Up-regulated genes are ranked by the largest score, down-regulated genes by the smallest, each against all other
    genes: a gene with the wrong sign is not recovered.

    Parameters
    ----------
    real
        Effects of the genes in the real cells, a vector of genes, or conditions x genes. Only the sign counts.
    score
        Signed score of the genes in the predicted cells, in the same shape, such as a test statistic or a log fold
        change. NaN ranks last.
    significant
        Whether a gene is significant in the real cells, in the same shape.
    direction
        Mean of both directions, or one of them.

    Returns
    -------
    Average precision, between 0 and 1. A random ranking scores the fraction of such genes among all, which differs
    between conditions. A direction without significant genes is excluded from the mean; NaN if there are none at all.

    Raises
    ------
    ValueError
        If the shapes differ, the mask is not boolean, or the direction is unknown.

    Examples
    --------
    >>> from scpi.metrics import pr_auc
    >>> pr_auc([1.0, -1.0, 0.1, 0.2], [3.0, 0.5, 1.0, 0.0], [True, True, False, False])
    0.75
    """
    if direction not in get_args(Direction):
        msg = f"`direction` must be one of {', '.join(map(repr, get_args(Direction)))}, but is {direction!r}."
        raise ValueError(msg)
    x, y = as_effects(real, score, "score")
    chosen = as_mask(significant, "significant", x.shape)
    signs = {"both": (1, -1), "up": (1,), "down": (-1,)}[direction]
    areas = np.stack([_average_precision(chosen & (np.sign(x) == sign), sign * y) for sign in signs])
    known = ~np.isnan(areas)
    return as_result(ratio(np.where(known, areas, 0.0).sum(axis=0), known.sum(axis=0, dtype=np.float64)))


def _average_precision(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over true genes of the precision among all genes that score at least as high; NaN without a true gene."""
    # Rank of the last of equal scores, the largest score first
    ranks = stats.rankdata(np.where(np.isnan(score), np.inf, -score), method="max", axis=-1)
    true_ranks = np.where(truth, ranks, np.inf)
    found = stats.rankdata(true_ranks, method="max", axis=-1)
    return ratio(np.where(truth, found / ranks, 0.0).sum(axis=-1), count(truth))
