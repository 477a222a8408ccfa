"""Separation of clusters in an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._rng import as_generator
from scpi.metrics._arrays import as_sample
from scpi.metrics._labels import check_length, encode

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from scpi.metrics._labels import Labels

# Distances that are held at once
_BLOCK = 1 << 21


def silhouette(
    embedding: ArrayLike,
    labels: Labels,
    *,
    n_cells: int | None = 2000,
    rng: int | np.random.Generator | None = 0,
) -> float:
    r"""Compute the mean silhouette width of clusters (Rousseeuw, J. Comput. Appl. Math. 20, 1987).

    The width of a cell is :math:`(b - a) / \max(a, b)`, where :math:`a` is its mean distance to the other cells of its
    cluster and :math:`b` to those of the nearest other cluster. The width of a single-cell cluster is 0.

    The width of a cell requires its distances to all cells. With many cells, the cells to average over are subsampled,
    not those to compare with: every width is exact, and the mean is unbiased.

    Parameters
    ----------
    embedding
        Cells x dimensions. Distances are Euclidean.
    labels
        Cluster of each cell.
    n_cells
        Number of cells to average over, drawn at random if there are more; all if `None`.
    rng
        Seed or generator of the draw.

    Returns
    -------
    A value between -1 and 1.

    Raises
    ------
    ValueError
        If there are not at least two clusters and one of them with two cells, the lengths differ, `n_cells` is below
        1, or a value is missing.

    Examples
    --------
    >>> from scpi.metrics import silhouette
    >>> round(silhouette([[0.0], [1.0], [10.0], [11.0]], [0, 0, 1, 1]), 6)
    0.899749
    """
    points, codes = _clusters(embedding, labels)
    n = len(points)
    if n_cells is not None and n_cells < 1:
        msg = f"`n_cells` must be at least 1, but is {n_cells}."
        raise ValueError(msg)
    chosen = np.arange(n)
    if n_cells is not None and n_cells < n:
        chosen = np.sort(as_generator(rng).choice(n, n_cells, replace=False))
    widths = [_widths(points, codes, rows) for rows in np.array_split(chosen, max(1, -(-len(chosen) * n // _BLOCK)))]
    return float(np.concatenate(widths).mean())


def calinski_harabasz(embedding: ArrayLike, labels: Labels) -> float:
    """Compute the ratio of variances between and within clusters (Calinski and Harabasz, Commun. Stat. 3, 1974).

    Parameters
    ----------
    embedding
        Cells x dimensions.
    labels
        Cluster of each cell.

    Returns
    -------
    The ratio of the mean squares; larger values mean better separation. Infinite if clusters are distinct single
    points, NaN if all cells are one point.

    Raises
    ------
    ValueError
        If there are not at least two clusters and one of them with two cells, the lengths differ, or a value is
        missing.

    Examples
    --------
    >>> from scpi.metrics import calinski_harabasz
    >>> calinski_harabasz([[0.0], [2.0], [10.0], [12.0]], [0, 0, 1, 1])
    50.0
    """
    points, codes = _clusters(embedding, labels)
    n_clusters = codes.max() + 1
    sizes = np.bincount(codes)
    means = np.stack([np.bincount(codes, column) for column in points.T], axis=1) / sizes[:, None]
    between = float(sizes @ ((means - points.mean(axis=0)) ** 2).sum(axis=1)) / (n_clusters - 1)
    within = float(((points - means[codes]) ** 2).sum()) / (len(points) - n_clusters)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(between) / within)


def _clusters(embedding: ArrayLike, labels: Labels) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Centred cells, as the Gram form of distances loses digits far from the origin, and their clusters."""
    points = as_sample(embedding, "embedding")
    codes, found = encode(labels, "labels")
    check_length(len(codes), len(points), "embedding")
    if not 2 <= len(found) < len(codes):
        msg = (
            f"`labels` has {len(found)} cluster(s) of {len(codes)} cell(s): there must be at least two, "
            "and one of them with several cells."
        )
        raise ValueError(msg)
    return points - points.mean(axis=0), codes


def _widths(points: NDArray[np.float64], codes: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Silhouette widths of a subset of the cells."""
    squares = np.einsum("ij,ij->i", points, points)
    distances = squares[rows, None] + squares - 2.0 * points[rows] @ points.T
    np.sqrt(np.maximum(distances, 0.0, out=distances), out=distances)
    at, own = np.arange(len(rows)), codes[rows]
    distances[at, rows] = 0.0
    members = np.zeros((len(points), codes.max() + 1))
    members[np.arange(len(points)), codes] = 1.0
    sizes = members.sum(axis=0)
    to_cluster = distances @ members
    alone = sizes[own] == 1
    within = to_cluster[at, own] / np.maximum(sizes[own] - 1, 1)
    to_cluster /= sizes
    to_cluster[at, own] = np.inf
    nearest = to_cluster.min(axis=1)
    larger = np.maximum(within, nearest)
    # If all distances are zero, no cluster is nearer than another
    width = np.divide(nearest - within, larger, out=np.zeros(len(rows)), where=larger > 0)
    return np.where(alone, 0.0, width)
