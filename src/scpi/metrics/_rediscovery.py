"""Recovery of differentially expressed genes by tests of predicted cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from scpi.metrics._arrays import as_mask, as_result, ratio
from scpi.metrics._differential import as_values, count, significant_changes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def significant_overlap(
    significant: ArrayLike, predicted_significant: ArrayLike, effect: ArrayLike
) -> float | NDArray[np.float64]:
    """Compute the fraction of the truly significant genes that are among as many significant genes of the prediction.

    Parameters
    ----------
    significant
        Whether a gene is significant in the real cells: a vector of genes, or conditions x genes.
    predicted_significant
        Whether a gene is significant in the predicted cells, in the same shape.
    effect
        Effects in the predicted cells, such as log fold changes. If more genes are significant in the predicted cells
        than in the real cells, only as many as in the real cells count: those with the largest absolute effect. NaN
        ranks last.

    Returns
    -------
    Values between 0 and 1. A random choice of as many genes scores the fraction of significant genes among all. NaN if
    no gene is significant in the real cells.

    Raises
    ------
    ValueError
        If the shapes differ or a mask is not boolean.

    Notes
    -----
    This is the differential expression score of the Virtual Cell Challenge of 2025. It ignores the sign of the effect,
    and calling too few genes costs more than calling too many: if all genes are called, it compares the largest
    effects.

    Examples
    --------
    >>> from scpi.metrics import significant_overlap
    >>> significant_overlap([True, True, False, False], [True, True, True, True], [0.1, 2.0, 3.0, 0.2])
    0.5
    """
    size = np.abs(as_values(effect, "effect"))
    truth = as_mask(significant, "significant", size.shape)
    called = as_mask(predicted_significant, "predicted_significant", size.shape)
    # Genes that are not called rank last, and NaN ranks last among the called ones
    order = np.lexsort((-np.nan_to_num(size, nan=-1.0), ~called), axis=-1)
    n_real = count(truth)
    counted = np.arange(1, size.shape[-1] + 1) <= np.minimum(n_real, count(called))[..., None]
    found = np.take_along_axis(truth, order, axis=-1) & counted
    return as_result(ratio(count(found), n_real))


def lfc_spearman(
    real: ArrayLike, predicted: ArrayLike, significant: ArrayLike, *, min_genes: int = 10
) -> float | NDArray[np.float64]:
    """Compute the rank correlation of real and predicted log fold changes over the truly significant genes.

    Parameters
    ----------
    real, predicted
        Log fold changes of the genes: a vector, or conditions x genes. A predicted value that is NaN or infinite counts
        as no change; genes whose real value is NaN or infinite are excluded.
    significant
        Whether a gene is significant in the real cells, in the same shape.
    min_genes
        Minimum number of significant genes of a condition.

    Returns
    -------
    Values between -1 and 1. NaN with fewer genes than `min_genes`, or if either change is equal for all of them.

    Raises
    ------
    ValueError
        If the shapes differ, the mask is not boolean, or `min_genes` is below 2.

    Notes
    -----
    Up-regulated and down-regulated genes are far apart in rank: knowing the sign of each gene, which many perturbations
    share, gives most of the score.

    Examples
    --------
    >>> from scpi.metrics import lfc_spearman
    >>> round(lfc_spearman([3.0, 2.0, -1.0, 9.0], [1.0, 2.0, -2.0, 0.0], [True, True, True, False], min_genes=2), 6)
    0.5
    """
    if min_genes < 2:
        msg = f"`min_genes` must be at least 2, but is {min_genes}."
        raise ValueError(msg)
    x, y, chosen = significant_changes(real, predicted, significant)
    rows = zip(*(np.atleast_2d(values) for values in (x, y, chosen)), strict=True)
    found = [_rank_correlation(a[own], b[own]) if own.sum() >= min_genes else np.nan for a, b, own in rows]
    return as_result(np.reshape(found, x.shape[:-1]))


def _rank_correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])


def roc_auc(score: ArrayLike, significant: ArrayLike) -> float | NDArray[np.float64]:
    """Compute the area under the receiver operating characteristic of a score for the truly significant genes.

    Parameters
    ----------
    score
        Score of the genes in the predicted cells, such as a test statistic: a vector of genes, or conditions x genes.
        Absolute values are used; NaN ranks last.
    significant
        Whether a gene is significant in the real cells, in the same shape.

    Returns
    -------
    Probability that a significant gene scores higher than another gene, with ties as one half: 0.5 for a random score.
    NaN if no gene is significant, or all are.

    Raises
    ------
    ValueError
        If the shapes differ or the mask is not boolean.

    Notes
    -----
    If few genes are significant, thousands of others dominate the value: :func:`scpi.metrics.pr_auc` focuses on the top
    of the ranking, and uses the sign. The expression level of a gene alone scores far above 0.5.

    Examples
    --------
    >>> from scpi.metrics import roc_auc
    >>> roc_auc([-3.0, 1.0, 2.0, 0.5], [True, True, False, False])
    0.75
    """
    size = np.abs(as_values(score, "score"))
    truth = as_mask(significant, "significant", size.shape)
    ranks = stats.rankdata(np.nan_to_num(size, nan=-1.0, posinf=np.inf), axis=-1)
    n_true = count(truth)
    pairs = n_true * (size.shape[-1] - n_true)
    return as_result(ratio(np.where(truth, ranks, 0.0).sum(axis=-1) - n_true * (n_true + 1) / 2, pairs))
