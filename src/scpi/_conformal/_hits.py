"""P-values of predicted changes, by what came of such predictions in conditions that were left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi._conformal._left_out import LeftOut

    Floats = NDArray[np.float64]


def hit_p_values(left_out: LeftOut, predicted: Floats) -> Floats:
    """P-value of each gene of predictions, rows x genes, for the null that it does not change.

    A gene that does not change is measured to move against its prediction as often as with it. Genes that moved against theirs, in
    the conditions that were left out, are therefore what predictions of no worth look like, and the p-value is the rank of
    a score among theirs. A gene that changes against its prediction makes it larger.
    """
    wrong = left_out.predicted * left_out.measured < 0
    null = statistics(left_out, left_out.predicted, left_out.groups)[wrong]
    return conformal_p_values(null, statistics(left_out, predicted, None))


def conformal_p_values(null: Floats, scores: Floats) -> Floats:
    """Fraction of null scores, the score itself among them, that are as large as each of some scores.

    It is uniform, but for its steps of 1 / (n + 1), for a score that is exchangeable with the n null ones.
    """
    ordered = np.sort(null)
    larger = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return np.asarray((1.0 + larger) / (1.0 + len(ordered)))


def statistics(left_out: LeftOut, predicted: Floats, groups: NDArray[np.intp] | None) -> Floats:
    """Predicted change of each gene in units of its usual error, rows x genes, without a sign.

    The error of a gene is that in conditions that were left out, without those of the own group of a row if ``groups`` are given. The
    median over genes is added to its variance, so that few conditions do not make a gene look sure by chance.
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
