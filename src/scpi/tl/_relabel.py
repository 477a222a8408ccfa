"""Permuted labels of cells or guides, which are equally likely under the null hypothesis."""

from __future__ import annotations

from itertools import combinations, product
from math import comb, prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Relabellings(NamedTuple):
    """Members of a group under permuted labels."""

    members: NDArray[np.intp]
    """Positions of the members, labellings x members."""
    is_exhaustive: bool
    """Whether these are all labellings, including the given one."""

    def pval(self, observed: float, permuted: NDArray[np.float64]) -> float:
        """Compute the fraction of labellings, the observed one included, with at least the observed statistic."""
        # Equal labellings differ by rounding
        at_least = int((permuted >= observed - 1e-6 * abs(observed)).sum())
        return at_least / len(permuted) if self.is_exhaustive else (1 + at_least) / (1 + len(permuted))


def n_labellings(member: ArrayLike, strata: ArrayLike) -> int:
    """Count the labellings with the same number of members in each stratum."""
    member, strata = np.asarray(member, dtype=bool), np.asarray(strata)
    return prod(comb(int((strata == one).sum()), int(member[strata == one].sum())) for one in np.unique(strata))


def relabel(member: ArrayLike, strata: ArrayLike, n_permutations: int, rng: np.random.Generator) -> Relabellings:
    """List the labellings with the same number of members in each stratum, or draw ``n_permutations`` of more.

    ``member`` is whether each observation is in the group, and ``strata`` is the code of its stratum.
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
