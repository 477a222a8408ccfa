"""Centroids of an embedding, and how many there are."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np
from sklearn.cluster import KMeans

from scpi.model.clustering._valleys import nearest, valley_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

FindClusters = Literal["valleys", "stability", "leiden"]

_N_INIT = 20
_N_SPLITS = 5
_STABLE = 0.8
_MOST = 20
_N_STABILITY_CELLS = 4000


def kmeans(z: NDArray[np.float32], n_clusters: int, *, seed: int, n_init: int = _N_INIT) -> NDArray[np.float32]:
    """Centroids by k-means, (n_clusters, n_latent), that of the largest cluster first."""
    with warnings.catch_warnings():
        # Fewer distinct points than clusters: cells without counts are all the same.
        warnings.filterwarnings("ignore", message="Number of distinct clusters")
        fit = KMeans(n_clusters, n_init=n_init, random_state=seed).fit(z)
    order = np.argsort(-np.bincount(fit.labels_, minlength=n_clusters), kind="stable")
    return np.asarray(fit.cluster_centers_[order], dtype=np.float32)


def find_centroids(
    z: NDArray[np.float32], *, method: FindClusters, resolution: float, seed: int
) -> NDArray[np.float32]:
    """Centroids, at least two, of an embedding, (n_cells, n_latent), in a number that is found.

    The method ``"valleys"`` takes clusters with fewer cells between any two of them than in them; ``"stability"`` the
    largest number of clusters that two halves of the cells agree on; ``"leiden"`` the communities of a graph of
    neighbours, at a resolution.
    """
    if method == "stability":
        n_clusters = stable_number(z, seed=seed)
        if n_clusters >= 2:
            return kmeans(z, n_clusters, seed=seed)
    else:
        labels = valley_labels(z, seed=seed) if method == "valleys" else _leiden(z, resolution=resolution, seed=seed)
        n_clusters = int(labels.max()) + 1
        if n_clusters >= 2:
            return np.stack([z[labels == label].mean(0) for label in range(n_clusters)]).astype(np.float32)
    warnings.warn(
        "The embedding shows a single cluster. The minimum of two clusters is used: do not trust their boundary.",
        UserWarning,
        stacklevel=2,
    )
    return kmeans(z, 2, seed=seed)


def stable_number(z: NDArray[np.float32], *, seed: int, most: int = _MOST) -> int:
    """Number of clusters by prediction strength, up to ``most``; 1 if not even two are stable.

    The cells are halved at random, and both halves are clustered. The strength of a number of clusters is the fraction
    of the pairs of cells in a cluster of one half that the centroids of the other half keep together, in the cluster
    where it is lowest. The largest number whose mean strength over the splits reaches 0.8 is taken (Tibshirani and
    Walther, J. Comput. Graph. Stat. 14, 2005).
    """
    rng = np.random.default_rng(seed)
    cells = rng.permutation(len(z))[:_N_STABILITY_CELLS]
    splits = [np.array_split(rng.permutation(cells), 2) for _ in range(_N_SPLITS)]
    best = 1
    for n_clusters in range(2, min(most, len(cells) // 4) + 1):
        strength = [_strength(z[one], z[other], n_clusters, seed=seed) for one, other in splits]
        if np.mean(strength) >= _STABLE:
            best = n_clusters
    return best


def _strength(one: NDArray[np.float32], other: NDArray[np.float32], n_clusters: int, *, seed: int) -> float:
    """Lowest fraction of pairs of a cluster of one half that the other half keeps together."""
    own, foreign = (kmeans(half, n_clusters, seed=seed, n_init=3) for half in (one, other))
    labels, predicted = (nearest(one, centroids) for centroids in (own, foreign))
    table = np.zeros((n_clusters, n_clusters))
    np.add.at(table, (labels, predicted), 1.0)
    sizes = table.sum(1)
    kept, pairs = (table * (table - 1.0)).sum(1), sizes * (sizes - 1.0)
    # A cluster of one cell has no pair, and shows no stability.
    return float(np.min(np.where(pairs > 0, kept / np.maximum(pairs, 1.0), 0.0)))


def _leiden(z: NDArray[np.float32], *, resolution: float, seed: int) -> NDArray[np.int64]:
    """Communities of the graph of neighbours, the largest first."""
    import anndata as ad
    import scanpy as sc

    graph = ad.AnnData(np.zeros((len(z), 1), dtype=np.float32), obsm={"X": z})
    sc.pp.neighbors(graph, n_neighbors=min(15, len(z) - 1), use_rep="X", random_state=seed)
    sc.tl.leiden(
        graph, resolution=resolution, flavor="igraph", n_iterations=2, directed=False, random_state=seed, key_added="k"
    )
    return graph.obs["k"].to_numpy().astype(np.int64)
