"""Clusters with a valley between them: how many an embedding has, and which cells are in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from sklearn.cluster import KMeans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MOST = 25
# Cells per part that the search begins with
_N_PER_PART = 20
_N_CELLS = 20_000
_N_INIT = 3
_LEVEL = 0.01
# The means of the halves of a normal distribution, in standard deviations, and a sixth of the line between them
_HALF = np.sqrt(2.0 / np.pi)
_WINDOW = _HALF / 3.0
# How many of the cells in both windows are in the middle, where a normal population is cut in two
_MIDDLE, _AROUND = (np.diff(stats.norm.cdf([at - _WINDOW, at + _WINDOW])).item() for at in (0.0, _HALF))
_OF_ONE = _MIDDLE / (_MIDDLE + _AROUND)


def valley_labels(z: NDArray[np.float32], *, seed: int) -> NDArray[np.intp]:
    """Cluster of each cell of an embedding, (n_cells, n_latent), the largest first; at most 25 of them.

    One half of the cells is cut into many parts by k-means. The other half says whether there is a valley between two of
    them: whether on the line from one mean to the other, given by the first half, fewer cells lie in the middle third, beside
    those in a third around either mean, than where a normal population is cut in two (one-sided binomial test; 58 % of both).
    Parts are merged, those with the least evidence of a valley first, until there is evidence between any two at a level
    of 1 %.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(z))[:_N_CELLS]
    first, second = z[drawn[: len(drawn) // 2]].astype(np.float64), z[drawn[len(drawn) // 2 :]].astype(np.float64)
    n_parts = min(_MOST, len(drawn) // _N_PER_PART)
    if n_parts < 2:
        return np.zeros(len(z), dtype=np.intp)
    centres = KMeans(n_parts, n_init=_N_INIT, random_state=seed).fit(first).cluster_centers_
    part = nearest(first, centres)
    sizes = np.bincount(part, minlength=n_parts)
    group_of = _merge(
        np.array([first[part == k].sum(0) for k in range(n_parts)]), sizes, second, nearest(second, centres)
    )
    labels = group_of[nearest(z.astype(np.float64), centres)]
    order = np.argsort(-np.bincount(labels, minlength=group_of.max() + 1), kind="stable")
    return np.asarray(np.argsort(order)[labels])


def _merge(total: Floats, sizes: NDArray[np.intp], z: Floats, part: NDArray[np.intp]) -> NDArray[np.intp]:
    """Group of each part: their sums and sizes in one half of the cells, and the cells of the other half."""
    group_of = np.arange(len(total))
    total, sizes, labels = total.copy(), sizes.astype(np.float64), part.copy()
    evidence = np.full((len(total), len(total)), -1.0)
    changed = list(range(len(total)))
    alive = list(changed)
    while len(alive) > 1:
        for a in changed:
            for b in alive:
                if a != b and (len(changed) == 1 or b < a):
                    means = total[[a, b]] / sizes[[a, b], None]
                    evidence[a, b] = evidence[b, a] = _no_valley(means, z[(labels == a) | (labels == b)])
        a, b = (int(part) for part in np.unravel_index(int(evidence.argmax()), evidence.shape))
        if evidence[a, b] < _LEVEL:
            break
        total[a], sizes[a] = total[a] + total[b], sizes[a] + sizes[b]
        labels[labels == b], group_of[group_of == b] = a, a
        evidence[b], evidence[:, b] = -1.0, -1.0
        alive.remove(b)
        changed = [a]
    return np.unique(group_of, return_inverse=True)[1].reshape(-1)


def _no_valley(means: Floats, z: Floats) -> float:
    """P-value of as few cells in the middle of two means, beside those around that with fewer; 1 without cells."""
    line = means[1] - means[0]
    length = float(line @ line)
    if length == 0:
        return 1.0
    place = (z - means[0]) @ line / length
    middle = int(((place > 1 / 3) & (place < 2 / 3)).sum())
    around = min(int((np.abs(place - mean) < 1 / 6).sum()) for mean in (0.0, 1.0))
    return float(stats.binom.cdf(middle, middle + around, _OF_ONE))


def nearest(z: NDArray[np.floating], centroids: NDArray[np.floating]) -> NDArray[np.intp]:
    """Index of the nearest centroid of each cell."""
    distances = np.square(centroids).sum(1) - 2.0 * z @ centroids.T
    return np.asarray(distances.argmin(1))
