"""Gene programs that recur over training runs, regardless of their order, sign and scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster import hierarchy
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SWEEPS = 20


@dataclass(frozen=True)
class Consensus:
    """Programs, sorted by decreasing number of runs."""

    programs: NDArray[np.float64]
    """Genes x programs, of length 1, with the sign of their units if these agree, else the heavier tail positive."""
    members: NDArray[np.intp]
    """Unit of each run in each program, programs x runs; -1 if the run has none."""
    cosines: NDArray[np.float64]
    """Cosine of that unit with the program; NaN if there is none."""

    @property
    def n_found(self) -> NDArray[np.int64]:
        """Number of runs that have each program."""
        return (self.members >= 0).sum(axis=1)

    @property
    def similarity(self) -> NDArray[np.float64]:
        """Mean absolute cosine of the units with their program."""
        return np.asarray(np.nanmean(np.abs(self.cosines), axis=1))


def consensus(runs: Sequence[NDArray[np.float64]], *, min_similarity: float, min_runs: int) -> Consensus:
    """Find the programs that at least `min_runs` runs have.

    Units of all runs are grouped by average linkage of their absolute cosines. The following steps are then repeated
    until nothing changes. Each run is matched one-to-one to the groups (Kuhn, Nav. Res. Logist. Q. 2, 1955), without
    units that are not similar enough. Each group becomes the mean of its units, with matched signs. Unmatched units are
    grouped among themselves. Runs are genes x units; `min_similarity` is the minimum absolute cosine of a unit with its
    program.
    """
    scaled = [_unit_length(run) for run in runs]
    members = np.empty((0, len(scaled)), dtype=np.intp)
    for _ in range(_SWEEPS):
        # A program of one run is not a consensus, but absorbs units that would otherwise disturb another
        centres = np.concatenate(
            [_centres(scaled, members), _groups(_left_out(scaled, members), min_similarity)], axis=1
        )
        found = np.stack([_match(run, centres, min_similarity) for run in scaled], axis=1)
        found = found[(found >= 0).any(axis=1)]
        if np.array_equal(found, members):
            break
        members = found
    centres = _centres(scaled, members)
    cosines = np.full(members.shape, np.nan)
    for run, column in enumerate(members.T):
        has = column >= 0
        cosines[has, run] = np.einsum("gp,gp->p", scaled[run][:, column[has]], centres[:, has])
    result = Consensus(centres, members, cosines)
    kept = np.flatnonzero(result.n_found >= min_runs)
    kept = kept[np.lexsort((-result.similarity[kept], -result.n_found[kept]))]
    return Consensus(centres[:, kept], members[kept], cosines[kept])


def _unit_length(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale units to length one; vanished units stay zero, and are similar to none."""
    length = np.linalg.norm(scores, axis=0)
    return np.asarray(scores / np.where(length > 0, length, 1.0))


def _groups(scaled: list[NDArray[np.float64]], min_similarity: float) -> NDArray[np.float64]:
    """Find the centres of groups of similar units, genes x groups."""
    units = np.concatenate(scaled, axis=1)
    run = np.repeat(np.arange(len(scaled)), [one.shape[1] for one in scaled])
    if units.shape[1] <= 1:
        return units
    distance = 1.0 - np.minimum(np.abs(units.T @ units), 1.0)
    # Units of one run are different programs
    distance[run[:, None] == run] = 1.0
    np.fill_diagonal(distance, 0.0)
    tree = hierarchy.linkage(squareform(distance, checks=False), "average")
    labels = hierarchy.fcluster(tree, 1.0 - min_similarity, "distance")
    return np.stack([_principal(units[:, labels == label]) for label in np.unique(labels)], axis=1)


def _match(run: NDArray[np.float64], centres: NDArray[np.float64], min_similarity: float) -> NDArray[np.intp]:
    """Find the unit of a run for each centre; -1 if none is similar enough."""
    similarity = np.abs(centres.T @ run)
    similarity[similarity < min_similarity] = 0.0
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    found = np.full(centres.shape[1], -1, dtype=np.intp)
    found[rows] = np.where(similarity[rows, columns] > 0, columns, -1)
    return found


def _centres(scaled: list[NDArray[np.float64]], members: NDArray[np.intp]) -> NDArray[np.float64]:
    centres = np.empty((len(scaled[0]), len(members)))
    for program, row in enumerate(members):
        units = [scaled[run][:, unit] for run, unit in enumerate(row) if unit >= 0]
        centres[:, program] = _principal(np.stack(units, axis=1))
    return centres


def _left_out(scaled: list[NDArray[np.float64]], members: NDArray[np.intp]) -> list[NDArray[np.float64]]:
    """Find the units of each run that are in no program, without vanished ones."""
    free = []
    for run, units in enumerate(scaled):
        kept: NDArray[np.bool_] = np.asarray(units.any(axis=0))
        kept[members[members[:, run] >= 0, run]] = False
        free.append(units[:, kept])
    return free


def _principal(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average units with matched signs: their own sign if they agree, else with the heavier tail positive."""
    _, vectors = np.linalg.eigh(units.T @ units)
    sign = np.where(vectors[:, -1] < 0, -1.0, 1.0)
    if (sign == sign[0]).all():
        # Units that cannot be negative have a meaningful sign
        return _unit_length(units.mean(axis=1, keepdims=True))[:, 0]
    mean = _unit_length((units @ sign)[:, None])[:, 0]
    return mean if (mean**3).sum() >= 0 else -mean
