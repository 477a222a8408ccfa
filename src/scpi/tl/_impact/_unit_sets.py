"""Which gene set names a latent unit. Numeric core."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from scipy.optimize import linear_sum_assignment

from scpi.de import false_discovery_control

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse


_BY_FAR = 3.0
"""How many times larger the score of what a unit lowers is, that it is the name although the unit raises something."""


@dataclass(frozen=True)
class Candidates:
    """Sets that may name units: those that units raise, those that they lower, or all; units x sets."""

    score: NDArray[np.float64]
    """The larger, the better the set; not above 0 for one that is no candidate."""
    pval_adj: NDArray[np.float64]

    def best(self, pval_cutoff: float) -> NDArray[np.intp]:
        """Set of the largest score of each unit among the significant ones, or among all where there are none."""
        significant = np.where(self.significant(pval_cutoff), self.score, 0.0)
        return np.where((significant > 0).any(axis=1), significant.argmax(axis=1), self.score.argmax(axis=1))

    def significant(self, pval_cutoff: float) -> NDArray[np.bool_]:
        """Sets that may name a unit, units x sets."""
        return np.asarray((self.pval_adj <= pval_cutoff) & (self.score > 0))

    def without(self, units: NDArray[np.bool_]) -> Candidates:
        """The same without candidates for some of the units."""
        return replace(self, score=np.where(units[:, None], 0.0, self.score))

    def margin(self, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
        """Score of the chosen set of each unit less that of the best of the other candidates; NaN if there is one set."""
        rows, score = np.arange(len(self.score)), np.maximum(self.score, 0.0)
        if score.shape[1] == 1:
            return np.full(len(score), np.nan)
        others = score.copy()
        others[rows, chosen] = -np.inf
        return np.asarray(score[rows, chosen] - others.max(axis=1))


def candidates(
    score: NDArray[np.float64], z: NDArray[np.float64], pval: NDArray[np.float64], sign: int | None = None
) -> Candidates:
    """Sets that units raise (``sign=1``), that they lower (-1), or all, from two-sided p-values, units x sets.

    The p-value of a direction is twice its tail, as both are looked at, and 1 for a set of the other direction. It is
    adjusted over all units and sets of the direction: significant sets of the other one do not make it smaller.
    """
    if sign is None:
        return Candidates(np.abs(score), false_discovery_control(pval, axis=None))
    of_side = np.where(sign * z > 0, pval, 1.0)
    return Candidates(sign * score, false_discovery_control(of_side, axis=None))


def mostly_lowering(raised: Candidates, lowered: Candidates, pval_cutoff: float) -> NDArray[np.bool_]:
    """Units that lower a significant set at least three times as strongly as they raise any."""
    up, down = (np.where(side.significant(pval_cutoff), side.score, 0.0).max(axis=1) for side in (raised, lowered))
    return np.asarray((down > 0) & (down >= _BY_FAR * up))


def leading_pval(
    scores: NDArray[np.float64],
    membership: sparse.csr_matrix,
    z: NDArray[np.float64],
    n: int,
    *,
    non_negative: bool,
) -> NDArray[np.float64]:
    """Probability that a random set has as many of the leading genes of a unit, units x sets.

    They are the ``n`` genes of the largest scores, genes x units, in the direction of ``z``. Units that cannot be negative
    are what they raise: what they lower has to lead among the genes of the largest absolute scores. The random set has as
    many genes, drawn among all (hypergeometric distribution).
    """
    sizes = np.asarray(membership.sum(axis=0)).ravel()
    pval = np.ones(z.shape)
    for sign in (1, -1):
        along = sign * scores
        size = np.abs(scores) if sign < 0 and non_negative else along
        order = np.argsort(-size, axis=0, kind="stable")[:n]
        for unit, genes in enumerate(order.T):
            leading = genes[size[genes, unit] > 0]
            members = np.asarray(membership[leading[along[leading, unit] > 0]].sum(axis=0)).ravel()
            side = sign * z[unit] > 0
            pval[unit, side] = stats.hypergeom.sf(members - 1, len(scores), sizes, len(leading))[side]
    return pval


def match_units(score: NDArray[np.float64], *, one_to_one: bool) -> NDArray[np.intp]:
    """Set of each unit by scores of units x sets, -1 where there is none with a score above 0."""
    found = np.full(len(score), -1, dtype=np.intp)
    if one_to_one:
        rows, columns = linear_sum_assignment(score, maximize=True)
    else:
        rows, columns = np.arange(len(score)), score.argmax(axis=1)
    found[rows] = np.where(score[rows, columns] > 0, columns, -1)
    return found


def choose_in_turn(
    sides: Sequence[Candidates], pval_cutoff: float, *, one_to_one: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Set of each unit, -1 where none is significant, and of which candidates it is: the next where the first have none."""
    n_units, n_sets = sides[0].score.shape
    found, of_side = np.full(n_units, -1, dtype=np.intp), np.zeros(n_units, dtype=np.intp)
    for number, side in enumerate(sides):
        left = np.flatnonzero(found < 0)
        score = np.where(side.significant(pval_cutoff), side.score, 0.0)[left]
        if one_to_one:
            score[:, np.isin(np.arange(n_sets), found)] = 0.0
        chosen = match_units(score, one_to_one=one_to_one)
        found[left] = chosen
        of_side[left[chosen >= 0]] = number
    return found, of_side
