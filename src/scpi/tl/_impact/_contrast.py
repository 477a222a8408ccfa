"""Tests of the difference in impact between two groups of cells or donors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from scpi.de import ebayes, lm_fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.tl._impact._cells import SampleMeans

# Maximum number of permutations of labels: if there are more, this many are drawn
_MOST = 4096
_COVERAGE = 0.95
# Minimum number of tests to estimate prior variances
_FEWEST_TESTS = 3


@dataclass(frozen=True)
class GroupTest:
    """Difference between two groups with its test, units x sets."""

    difference: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    t: NDArray[np.float64]
    pval: NDArray[np.float64]
    permuted: NDArray[np.float64] | None = None
    """P-value by permuting the labels of donors."""


def between_cells(means: SampleMeans) -> GroupTest:
    """Compare the cells of sample 0 with those of sample 1 by Welch's t-test, with a bootstrap interval."""
    difference = means.sets[0] - means.sets[1]
    share = means.variance / means.n_cells[:, None, None]
    error = share.sum(axis=0)
    freedom = np.maximum(means.n_cells - 1, 1)[:, None, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.where(error > 0, difference / np.sqrt(error), 0.0)
        df = np.where(error > 0, error**2 / (share**2 / freedom).sum(axis=0), 1.0)
    pval = np.where(error > 0, 2.0 * special.stdtr(df, -np.abs(t)), 1.0)
    if not len(means.drawn):
        blank = np.full(difference.shape, np.nan)
        return GroupTest(difference, blank, blank, t, _floored(pval))
    drawn = means.drawn[:, 0] - means.drawn[:, 1]
    low, high = np.quantile(drawn, [(1 - _COVERAGE) / 2, (1 + _COVERAGE) / 2], axis=0)
    return GroupTest(difference, low, high, t, _floored(pval))


def between_donors(
    means: NDArray[np.float64], is_target: NDArray[np.bool_], donors: NDArray[np.intp] | None, rng: np.random.Generator
) -> GroupTest:
    """Compare donors by a t-test with moderated variance, within donors of both groups if `donors` is given.

    `means` are samples x units x sets; `donors` is `None` if the two groups have donors of their own. The degrees of
    freedom stay those of the donors: all sets and units come from the same few donors and share genes, so that their
    variances are not the independent evidence for which limma adds degrees of freedom.
    """
    shape = means.shape[1:]
    table = means.reshape(len(means), -1)
    first = np.ones((len(means), 1)) if donors is None else np.eye(int(donors.max()) + 1)[donors]
    design = np.column_stack([first, is_target.astype(np.float64)])
    # Units differ in scale, so the variances of the sets of a unit are divided by their median before sharing a prior
    scale = np.median(lm_fit(table, design).sigma.reshape(shape), axis=1)
    moves = scale > 1e-12 * max(float(np.abs(means).max()), np.finfo(np.float64).tiny)
    scale = np.repeat(np.where(moves, scale, 1.0), shape[1])
    kept = np.flatnonzero(np.repeat(moves, shape[1]))
    difference, error, t = (np.zeros(table.shape[1]) for _ in range(3))
    pval, width = np.ones(table.shape[1]), np.zeros(table.shape[1])
    if len(kept):
        fit = lm_fit(table[:, kept] / scale[kept], design)
        if len(kept) < _FEWEST_TESTS:
            error[kept] = fit.stdev_unscaled[-1] * fit.sigma
        else:
            error[kept] = ebayes(fit).std_error[-1]
        difference[kept] = fit.coefficients[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            t[kept] = np.where(error[kept] > 0, difference[kept] / error[kept], 0.0)
        pval[kept] = 2.0 * special.stdtr(fit.df_residual, -np.abs(t[kept]))
        width[kept] = error[kept] * -special.stdtrit(fit.df_residual, (1 - _COVERAGE) / 2)
    permuted = _exchanged(table, is_target, donors, rng)
    low, high = ((difference + side * width) * scale for side in (-1, 1))
    tables = [difference * scale, low, high, t, _floored(pval), permuted]
    return GroupTest(*(np.reshape(table, shape) for table in tables))


def _floored(pval: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(pval, np.finfo(np.float64).tiny)


def _exchanged(
    table: NDArray[np.float64], is_target: NDArray[np.bool_], donors: NDArray[np.intp] | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Compute the fraction of permutations of labels, the given ones included, with as large a difference in means."""
    if donors is None:
        values, weights = table, _label_weights(is_target, rng)
    else:
        order = np.argsort(donors, kind="stable")
        pairs = table[order][is_target[order]] - table[order][~is_target[order]]
        values, weights = pairs, _sign_weights(len(pairs), rng)
    found = np.abs(weights @ values)
    # The first row are the given labels
    observed = found[0] - 1e-9 * np.abs(table).max(initial=0.0)
    return np.asarray((found >= observed).mean(axis=0))


def _sign_weights(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    if 2**n <= _MOST:
        return np.array(list(product([1.0, -1.0], repeat=n))) / n
    signs = rng.choice([-1.0, 1.0], (_MOST, n))
    signs[0] = 1.0
    return signs / n


def _label_weights(is_target: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    n, n_target = len(is_target), int(is_target.sum())
    if comb(n, n_target) <= _MOST:
        labels = np.zeros((comb(n, n_target), n), dtype=bool)
        for row, chosen in zip(labels, combinations(range(n), n_target), strict=True):
            row[list(chosen)] = True
        labels = np.concatenate([is_target[None], labels[(labels != is_target).any(axis=1)]])
    else:
        labels = np.stack([is_target, *(rng.permutation(is_target) for _ in range(_MOST - 1))])
    return np.where(labels, 1.0 / n_target, -1.0 / (n - n_target))
