"""Energy distance of perturbed cells from controls, with permutations of cells or of whole guides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from scpi.tl._relabel import relabel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from scpi.tl._relabel import Relabellings

# Number of distances that are gathered at a time
_BLOCK = 1 << 22


class EnergyTest(NamedTuple):
    """Energy distance between a group and the controls."""

    distance: float
    """Energy distance, without distances of cells to themselves; 0 on average without an effect."""
    score: float
    """Energy distance with distances of cells to themselves, over its expected value without an effect."""
    pval: float
    """Fraction of the permuted labellings with a score at least as large."""


@dataclass(frozen=True, eq=False)
class Controls:
    """Control cells and the distances between them, computed once for all perturbations."""

    values: NDArray[np.float64]
    """Cells x components."""
    strata: NDArray[np.intp]
    """Batch of each cell."""
    within: NDArray[np.float32]
    """Distances between the cells."""

    @classmethod
    def of(cls, values: ArrayLike, strata: ArrayLike | None = None) -> Controls:
        """Compute the distances between control cells."""
        values = np.asarray(values, dtype=np.float64)
        codes = np.zeros(len(values), dtype=np.intp) if strata is None else np.asarray(strata, dtype=np.intp)
        return cls(values, codes, cdist(values, values).astype(np.float32))


def compare_cells(
    values: ArrayLike,
    controls: Controls,
    *,
    strata: ArrayLike | None = None,
    n_permutations: int,
    rng: np.random.Generator,
) -> EnergyTest:
    """Compare cells with controls by permuting labels over the cells of the same stratum.

    Examples
    --------
    >>> controls = Controls.of([[0.0], [1.0]])
    >>> compare_cells([[3.0], [4.0]], controls, n_permutations=10, rng=np.random.default_rng(0)).distance
    4.0
    """
    x = np.asarray(values, dtype=np.float64)
    of_cells = np.zeros(len(x), dtype=np.intp) if strata is None else np.asarray(strata, dtype=np.intp)
    n, m = len(x), len(controls.values)
    between = cdist(x, controls.values).astype(np.float32)
    distances = np.block([[cdist(x, x).astype(np.float32), between], [between.T, controls.within]])
    # The smaller group has fewer pairs
    member = np.arange(n + m) < n if n <= m else np.arange(n + m) >= n
    labels = np.concatenate([of_cells, controls.strata])
    labellings = relabel(member, labels, n_permutations, rng)
    rows, total = distances.sum(axis=1, dtype=np.float64), float(distances.sum(dtype=np.float64))
    sums = [_pair_sums(distances, np.flatnonzero(member)[None]), _pair_sums(distances, labellings.members)]
    to_all = [rows[np.flatnonzero(member)][None].sum(axis=1), rows[labellings.members].sum(axis=1)]
    a, b = min(n, m), max(n, m)

    def energy(k: int, left_out: int) -> NDArray[np.float64]:
        own, other = sums[k], total - 2 * to_all[k] + sums[k]
        return np.asarray(2 * (to_all[k] - own) / (a * b) - own / (a * (a - left_out)) - other / (b * (b - left_out)))

    biased = float(energy(0, 0)[0])
    scale = float(controls.within.sum(dtype=np.float64)) / (m * (m - 1))
    return EnergyTest(
        distance=float(energy(0, 1)[0]),
        score=_over(biased, scale * (1 / n + 1 / m)),
        pval=labellings.pval(biased, energy(1, 0)),
    )


def guide_sums(
    values: ArrayLike, guides: ArrayLike, n_guides: int, others: ArrayLike | None = None, of_others: ArrayLike = ()
) -> NDArray[np.float64]:
    """Sum the distances between the cells of each pair of guides, and within each guide."""
    x, member = np.asarray(values, dtype=np.float64), np.eye(n_guides)[np.asarray(guides, dtype=np.intp)]
    if others is None:
        return np.asarray(member.T @ cdist(x, x) @ member)
    codes = np.asarray(of_others, dtype=np.intp)
    return np.asarray(member.T @ cdist(x, np.asarray(others, dtype=np.float64)) @ np.eye(int(codes.max()) + 1)[codes])


def compare_guides(
    sums: ArrayLike, sizes: ArrayLike, n_members: int, *, n_permutations: int, rng: np.random.Generator
) -> EnergyTest:
    """Compare the first ``n_members`` guides with the others by permuting whole guides.

    ``sums`` are sums of distances between the cells of two guides, and ``sizes`` numbers of cells. The score is the
    distance over its expected value if all guides differ as much as those labelled as controls. The distance itself
    would be large for guides with few cells.
    """
    s, size = np.asarray(sums, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    member = np.arange(len(size)) < n_members
    labellings: Relabellings = relabel(member, np.zeros(len(size), dtype=np.intp), n_permutations, rng)
    weights = np.zeros((len(labellings.members) + 1, len(size)))
    weights[0, :n_members] = 1
    np.put_along_axis(weights[1:], labellings.members, 1.0, axis=1)
    distance, score = _guide_scores(s, size, weights)
    return EnergyTest(float(distance[0]), float(score[0]), labellings.pval(float(score[0]), score[1:]))


def _guide_scores(
    sums: NDArray[np.float64], size: NDArray[np.float64], member: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute distances and scores of labellings x guides, with 1 for members and 0 for controls."""
    other = 1 - member
    n, m = member @ size, other @ size
    own = np.einsum("pi,pi->p", member @ sums, member)
    rest = np.einsum("pi,pi->p", other @ sums, other)
    between = np.einsum("pi,pi->p", member @ sums, other)
    unbiased = 2 * between / (n * m) - own / np.maximum(n * (n - 1), 1) - rest / np.maximum(m * (m - 1), 1)
    biased = 2 * between / (n * m) - own / n**2 - rest / m**2
    # Mean distance between two cells of a guide, and half the unbiased distance between two guides
    pairs = size * (size - 1)
    inner = np.diag(sums) / np.maximum(pairs, 1)
    of_cells = np.diag(sums).sum() / max(pairs.sum(), 1.0)
    apart = 2 * sums / np.outer(size, size) - inner[:, None] - inner[None]
    weight = np.where(pairs[:, None] * pairs[None] > 0, 1 / (1 / size[:, None] + 1 / size[None]), 0.0)
    np.fill_diagonal(weight, 0)
    weighted = np.einsum("pi,pi->p", other @ (weight * apart), other)
    of_guides = np.maximum(weighted / np.maximum(np.einsum("pi,pi->p", other @ weight, other), 1e-300) / 2, 0)
    expected = of_cells * (1 / n + 1 / m) + of_guides * ((member @ size**2) / n**2 + (other @ size**2) / m**2)
    return unbiased, np.divide(biased, expected, out=np.zeros_like(biased), where=expected > 0)


def _pair_sums(distances: NDArray[np.float32], members: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sum the distances between the members of each labelling, each pair in both orders."""
    n_labellings, n = members.shape
    if n_labellings > 1 and n * 4 > len(distances):
        # A product with all distances is faster than gathering many pairs
        weights = np.zeros((n_labellings, len(distances)), dtype=np.float32)
        np.put_along_axis(weights, members, np.float32(1), axis=1)
        return np.einsum("pi,pi->p", weights @ distances, weights, dtype=np.float64)
    i, j = np.triu_indices(n, 1)
    flat = distances.ravel()
    step = max(1, _BLOCK // max(len(i), 1))
    found = np.empty(n_labellings)
    for start in range(0, n_labellings, step):
        rows = members[start : start + step]
        found[start : start + step] = flat[rows[:, i] * len(distances) + rows[:, j]].sum(axis=1, dtype=np.float64)
    return 2 * found


def _over(value: float, expected: float) -> float:
    return value / expected if expected > 0 else 0.0
