"""Groups of perturbations that move the mean along the same line, and how many groups there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


# Perturbations with the largest effects, that groups are formed by; the others join them. The time grows with the square
MOST_MERGED = 1000


class Merge(NamedTuple):
    """Two groups that become one: ``second`` joins ``first``.

    The direction of the new group is ``weights[0]`` times that of the first plus ``weights[1]`` times that of the
    second.
    """

    first: int
    second: int
    weights: tuple[float, float]


def _lost(a: NDArray[np.float64], b: NDArray[np.float64], cosine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of squares that one line leaves unexplained of changes of norms a and b at an angle: the small eigenvalue."""
    total = np.square(a) + np.square(b)
    gap = np.square(np.square(a) - np.square(b)) + 4 * np.square(a * b * cosine)
    return np.asarray(np.maximum(total - np.sqrt(gap), 0) / 2)


def merge_lines(gram: NDArray[np.floating]) -> Iterator[Merge]:
    """Join groups one by one, always the two whose common line loses the least sum of squares.

    ``gram`` holds the inner products of the changes, (n, n). It is the agglomeration of Ward (1963) for lines through
    the origin instead of centres: weak perturbations join others at little loss, strong ones only along their line.
    """
    gram = np.asarray(gram, dtype=np.float64)
    n = len(gram)
    norm = np.sqrt(np.diagonal(gram))
    safe = np.where(norm > 0, norm, 1.0)
    cosine = gram / safe[:, None] / safe
    lost = _lost(norm[:, None], norm, cosine)
    np.fill_diagonal(lost, np.inf)
    nearest, least = lost.argmin(1), lost.min(1)
    alive = np.ones(n, dtype=bool)
    # Rows whose nearest group has changed: what they had is a lower bound, and is computed anew when it is the least
    stale = np.zeros(n, dtype=bool)
    for _ in range(n - 1):
        first = int(np.argmin(least))
        while stale[first]:
            nearest[first], least[first], stale[first] = lost[first].argmin(), lost[first].min(), False
            first = int(np.argmin(least))
        first, second = sorted((first, int(nearest[first])))
        a, b, c = norm[first], norm[second], cosine[first, second]
        values, vectors = np.linalg.eigh([[a * a, a * b * c], [a * b * c, b * b]])
        weights = vectors[:, 1] * (a, b)
        weights = weights / np.sqrt(max(weights[0] ** 2 + weights[1] ** 2 + 2 * weights[0] * weights[1] * c, 1e-300))
        yield Merge(first, second, (float(weights[0]), float(weights[1])))

        cosine[first] = weights[0] * cosine[first] + weights[1] * cosine[second]
        cosine[:, first] = cosine[first]
        cosine[first, first] = 1.0
        norm[first] = np.sqrt(max(values[1], 0.0))
        alive[second] = False
        row = np.where(alive, _lost(norm[first], norm, cosine[first]), np.inf)
        row[first] = np.inf
        lost[first], lost[:, first] = row, row
        lost[second], lost[:, second] = np.inf, np.inf
        least[second] = np.inf
        stale |= alive & ((nearest == first) | (nearest == second))
        stale[first] = True
        least[first] = row.min()
        closer = row < least
        nearest[closer], least[closer], stale[closer] = first, row[closer], False


def group_directions(
    changes: NDArray[np.floating], n_groups: int, *, precision: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Group perturbations whose ``changes`` of the mean, (n_perturbations, n_genes), point along the same line.

    ``precision`` is the inverse variance of each change up to a common factor, by which squared errors are weighted.
    Returns the group of each perturbation, and the unit direction of each group, (n_groups, n_genes). Groups beyond the
    number of perturbations have random directions orthogonal to the others where genes allow.
    """
    changes = np.asarray(changes, dtype=np.float64)
    if precision is not None:
        changes = changes * np.sqrt(precision)[:, None]
    groups = _groups(changes, n_groups)
    directions = np.random.default_rng(0).normal(size=(n_groups, changes.shape[1]))
    for group in np.unique(groups):
        directions[group] = _line(changes[groups == group])
    n_used = len(np.unique(groups))
    if n_used < n_groups:
        used = np.linalg.qr(directions[:n_used].T)[0]
        directions[n_used:] -= directions[n_used:] @ used @ used.T
    return groups, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def factor_effects(
    changes: NDArray[np.floating], n_factors: int, *, precision: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Factors of perturbations that move the mean along the same line, with what a perturbation does to its factor.

    Returns the factor of each perturbation, its strength, and the effects of factors, (n_factors, n_genes), scaled so
    that the mean absolute strength on a factor is 1.
    """
    groups, directions = group_directions(changes, n_factors, precision=precision)
    strength = np.einsum("ij,ij->i", changes, directions[groups])
    sizes = np.bincount(groups, minlength=n_factors)
    scale = np.bincount(groups, np.abs(strength), n_factors) / np.maximum(sizes, 1)
    scale[scale == 0] = 1.0
    return groups, strength / scale[groups], directions * scale[:, None]


def unmix(
    cells: NDArray[np.floating], effects: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Linear map from expression to factors with these ``effects`` on genes, by least squares.

    Returns the centre of the ``cells``, the map, (n_genes, n_factors), and the standard deviation of each factor over
    the cells; 1 where it is zero.
    """
    centre = cells.mean(0)
    inverse = np.linalg.pinv(effects)
    spread = ((cells - centre) @ inverse).std(0)
    spread[spread == 0] = 1.0
    return centre, inverse, spread


def _groups(changes: NDArray[np.floating], n_groups: int) -> NDArray[np.int64]:
    """Group of each change, by merging the largest of them."""
    if len(changes) <= n_groups:
        return np.arange(len(changes))
    chosen = largest(changes, max(MOST_MERGED, n_groups))
    labels = np.arange(len(chosen))
    if len(chosen) > n_groups:
        for n_left, merge in enumerate(merge_lines(changes[chosen] @ changes[chosen].T), start=1):
            labels[labels == merge.second] = merge.first
            if len(chosen) - n_left == n_groups:
                break
    groups = np.full(len(changes), -1, dtype=np.int64)
    groups[chosen] = np.unique(labels, return_inverse=True)[1]
    others = np.flatnonzero(groups < 0)
    if len(others):
        lines = np.stack([_line(changes[groups == group]) for group in range(n_groups)])
        groups[others] = np.abs(changes[others] @ lines.T).argmax(1)
    return groups


def largest(changes: NDArray[np.floating], most: int) -> NDArray[np.intp]:
    """Indices of the largest changes, in their order."""
    return np.sort(np.argsort(-np.linalg.norm(changes, axis=1), kind="stable")[:most])


def _line(changes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Unit vector along the line that leaves the least sum of squares, in the direction of most of the change."""
    axis = np.linalg.svd(changes, full_matrices=False)[2][0]
    return np.asarray(axis if (changes @ axis).sum() >= 0 else -axis)


def explained_held_out(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """Fraction of the ``second`` changes that lines through the ``first`` explain, for 1, 2, ... groups.

    Both are changes of the mean under the same perturbations, (n_perturbations, n_genes), in two parts of the cells,
    times the square root of their precision.
    Each perturbation is predicted by its projection in the first part on the line of its group, times one number for
    all that fits the second part best: noise shrinks every prediction, and is not what tells the numbers of groups
    apart.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    gram, cross = first @ first.T, first @ second.T
    n = len(gram)
    norm = np.sqrt(np.diagonal(gram))
    # What a perturbation has along the line of its group, in either half
    own = norm.copy()
    other = np.divide(np.diagonal(cross), norm, out=np.zeros(n), where=norm > 0)
    members = [np.array([index]) for index in range(n)]
    weights = [np.array([1.0 / value if value > 0 else 0.0]) for value in norm]
    total = max(float(np.square(second).sum()), np.finfo(np.float64).tiny)
    explained = np.zeros(n)

    def score() -> float:
        return max(float(own @ other), 0.0) ** 2 / max(float(own @ own), np.finfo(np.float64).tiny) / total

    explained[n - 1] = score()
    for n_groups, merge in zip(range(n - 1, 0, -1), merge_lines(gram), strict=True):
        a, b = members[merge.first], members[merge.second]
        x, y = merge.weights
        for here, there, keep, add, line in (
            (a, b, x, y, weights[merge.second]),
            (b, a, y, x, weights[merge.first]),
        ):
            own[here] = keep * own[here] + add * (line @ gram[np.ix_(there, here)])
            other[here] = keep * other[here] + add * (line @ cross[np.ix_(there, here)])
        members[merge.first] = np.concatenate([a, b])
        weights[merge.first] = np.concatenate([x * weights[merge.first], y * weights[merge.second]])
        explained[n_groups - 1] = score()
    return explained


def choose_n_groups(
    folds: Iterable[tuple[NDArray[np.floating], NDArray[np.floating]]], *, most: int | None = None
) -> int:
    """Number of lines that predict the cells left out best, by cross-validation.

    ``folds`` are pairs of changes of the mean as :func:`explained_held_out` takes them. At most ``most``.
    """
    explained = np.array([explained_held_out(first, second) for first, second in folds])[:, :most]
    return int(explained.mean(0).argmax()) + 1
