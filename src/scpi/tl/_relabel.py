"""Other assignments of labels to cells or guides that are as likely if the labels mean nothing."""

from __future__ import annotations

from itertools import combinations, product
from math import comb, prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Relabellings(NamedTuple):
    """Members of a group under other labels."""

    members: NDArray[np.intp]
    """Positions of the members, labellings x members."""
    is_exhaustive: bool
    """Whether these are all labellings, the given one included."""

    def pval(self, observed: float, permuted: NDArray[np.float64]) -> float:
        """Fraction of the labellings whose statistic is at least the observed one, which counts as one of them."""
        # Equal labellings differ by rounding
        at_least = int((permuted >= observed - 1e-6 * abs(observed)).sum())
        return at_least / len(permuted) if self.is_exhaustive else (1 + at_least) / (1 + len(permuted))


def n_labellings(member: ArrayLike, strata: ArrayLike) -> int:
    """Number of labellings with as many members in each stratum."""
    member, strata = np.asarray(member, dtype=bool), np.asarray(strata)
    return prod(comb(int((strata == one).sum()), int(member[strata == one].sum())) for one in np.unique(strata))


def relabel(member: ArrayLike, strata: ArrayLike, n_permutations: int, rng: np.random.Generator) -> Relabellings:
    """Labellings with as many members in each stratum: all of them, or random ones if there are more than ``n_permutations``.

    ``member`` says for each observation whether it is in the group, and ``strata`` is the code of its stratum.
    """
    member, strata = np.asarray(member, dtype=bool), np.asarray(strata)
    places = [(np.flatnonzero(strata == one), int(member[strata == one].sum())) for one in np.unique(strata)]
    places = [(place, n) for place, n in places if n]
    if n_labellings(member, strata) <= n_permutations:
        chosen = product(*(combinations(place.tolist(), n) for place, n in places))
        return Relabellings(np.array([sum(one, ()) for one in chosen], dtype=np.intp), True)
    parts = []
    for place, n in places:
        if n == len(place):
            parts.append(np.broadcast_to(place, (n_permutations, n)))
            continue
        keys = rng.random((n_permutations, len(place)), dtype=np.float32)
        parts.append(place[np.argpartition(keys, n - 1, axis=1)[:, :n]])
    return Relabellings(np.concatenate(parts, axis=1), False)
