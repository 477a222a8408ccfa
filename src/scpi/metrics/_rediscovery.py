"""Whether tests of predicted cells find the genes that tests of real cells find."""

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
    """Fraction of the really significant genes that are significant in the predicted cells, of no more genes than those.

    Parameters
    ----------
    significant
        Whether a gene is significant in the real cells: a vector of genes, or conditions x genes.
    predicted_significant
        Whether it is in the predicted cells, in the same shape.
    effect
        Effects in the predicted cells, such as log fold changes. Where more genes are significant in the predicted cells
        than in the real ones, as many as in the real ones count, those of the largest absolute effect. NaN comes last.

    Returns
    -------
    Values between 0 and 1. A random choice of as many genes has the fraction of significant genes among all. NaN where
    no gene is significant in the real cells.

    Raises
    ------
    ValueError
        If the shapes differ or a mask is not boolean.

    Notes
    -----
    The differential expression score of the Virtual Cell Challenge of 2025. It does not look at the sign of the effect,
    and calling too few genes costs more than calling too many: where all are called, it compares the largest effects.

    Examples
    --------
    >>> from scpi.metrics import significant_overlap
    >>> significant_overlap([True, True, False, False], [True, True, True, True], [0.1, 2.0, 3.0, 0.2])
    0.5
    """
    size = np.abs(as_values(effect, "effect"))
    truth = as_mask(significant, "significant", size.shape)
    called = as_mask(predicted_significant, "predicted_significant", size.shape)
    # Genes that are not called come last, and NaN last of those that are
    order = np.lexsort((-np.nan_to_num(size, nan=-1.0), ~called), axis=-1)
    n_real = count(truth)
    counted = np.arange(1, size.shape[-1] + 1) <= np.minimum(n_real, count(called))[..., None]
    found = np.take_along_axis(truth, order, axis=-1) & counted
    return as_result(ratio(count(found), n_real))


def lfc_spearman(
    real: ArrayLike, predicted: ArrayLike, significant: ArrayLike, *, min_genes: int = 10
) -> float | NDArray[np.float64]:
    """Rank correlation of real and predicted log fold changes over the genes that are significant in the real cells.

    Parameters
    ----------
    real, predicted
        Log fold changes of the genes: a vector, or conditions x genes. A predicted one that is NaN or infinite is no
        change; a gene whose real one is NaN or infinite is left out.
    significant
        Whether a gene is significant in the real cells, in the same shape.
    min_genes
        Number of significant genes below which a condition has no value.

    Returns
    -------
    Values between -1 and 1. NaN with fewer genes than `min_genes`, or where either change is the same for all of them.

    Raises
    ------
    ValueError
        If the shapes differ, the mask is not boolean, or `min_genes` is below 2.

    Notes
    -----
    Genes that go up and genes that go down are far apart: to know the sign of each gene, which many perturbations share,
    is most of the value.

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
    """Area under the receiver operating characteristic of a predicted score for the really significant genes.

    Parameters
    ----------
    score
        Score of the genes in the predicted cells, such as a test statistic: a vector of genes, or conditions x genes.
        Its absolute value counts; NaN comes last.
    significant
        Whether a gene is significant in the real cells, in the same shape.

    Returns
    -------
    Probability that a significant gene scores higher than another one, equal scores being half: 0.5 for a random score.
    NaN where no gene is significant, or all are.

    Raises
    ------
    ValueError
        If the shapes differ or the mask is not boolean.

    Notes
    -----
    Where few genes are significant, thousands of others set the value: :func:`scpi.metrics.pr_auc` looks at the top of the
    ranking, and at the sign. A score of how strongly a gene is expressed is far above 0.5.

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
