"""P-values of predicted changes, from the outcome of such predictions in held-out conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi._conformal._left_out import LeftOut

    Floats = NDArray[np.float64]


def hit_p_values(left_out: LeftOut, predicted: Floats) -> Floats:
    """P-value of each gene of predictions, rows x genes, for the null that it does not change.

    If a gene does not change, its measured sign agrees with the predicted one half of the time. Genes of held-out conditions
    with the opposite sign are therefore a sample of uninformative predictions, and the p-value is the rank of a score among
    theirs. Genes that do change, but with the opposite sign, make it larger.
    """
    wrong = left_out.predicted * left_out.measured < 0
    null = statistics(left_out, left_out.predicted, left_out.groups)[wrong]
    return conformal_p_values(null, statistics(left_out, predicted, None))


def conformal_p_values(null: Floats, scores: Floats) -> Floats:
    """Fraction of null scores, including the score itself, that are at least as large as each score.

    For a score that is exchangeable with the n null scores, it is uniform up to its steps of 1 / (n + 1).
    """
    ordered = np.sort(null)
    larger = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return np.asarray((1.0 + larger) / (1.0 + len(ordered)))


def statistics(left_out: LeftOut, predicted: Floats, groups: NDArray[np.intp] | None) -> Floats:
    """Absolute predicted change of each gene in units of its usual error, rows x genes.

    The error of a gene is that in held-out conditions, without the group of the row itself if ``groups`` are given. The
    median over genes is added to its variance, so that a gene does not look certain by chance with few conditions.
    """
    squared = np.square(left_out.residuals / left_out.expected_error(left_out.predicted)[:, None])
    n_groups = left_out.n_groups
    sums = np.zeros((n_groups, squared.shape[1]))
    np.add.at(sums, left_out.groups, squared)
    sums /= np.bincount(left_out.groups, minlength=n_groups)[:, None]
    total = sums.sum(axis=0)
    if groups is None or n_groups < 2:
        variance = np.broadcast_to(total / n_groups, predicted.shape)
    else:
        variance = np.maximum(total - sums[groups], 0.0) / (n_groups - 1)
    floor = np.median(variance, axis=1, keepdims=True)
    scale = left_out.expected_error(predicted)[:, None] * np.sqrt(variance + floor)
    return np.divide(np.abs(predicted), scale, out=np.zeros(predicted.shape), where=scale > 0)
