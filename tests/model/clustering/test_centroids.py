from __future__ import annotations

import numpy as np
import pytest

from scpi.model.clustering._centroids import find_centroids, kmeans, stable_number
from scpi.model.clustering._valleys import nearest


def blobs(sizes, *, distance=10.0, rng=0):
    generator = np.random.default_rng(rng)
    centres = distance * np.eye(len(sizes), 8)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return (centres[labels] + generator.normal(size=(len(labels), 8))).astype(np.float32), labels


def test_the_largest_cluster_comes_first():
    z, labels = blobs([20, 100, 50])
    centroids = kmeans(z, 3, seed=0)
    expected = [z[labels == k].mean(0) for k in (1, 2, 0)]
    np.testing.assert_allclose(centroids, expected, atol=1e-4)
    np.testing.assert_array_equal(nearest(z, centroids), np.array([2, 0, 1])[labels])


@pytest.mark.parametrize("sizes", [[60, 60], [30, 60, 90], [40] * 5])
def test_the_number_of_stable_clusters_is_found(sizes):
    assert stable_number(blobs(sizes)[0], seed=0, most=8) == len(sizes)


def test_one_population_has_one_cluster():
    z, _ = blobs([200])
    assert stable_number(z, seed=0, most=6) == 1
    for method in ("stability", "valleys"):
        with pytest.warns(UserWarning, match="shows a single cluster"):
            assert len(find_centroids(z, method=method, resolution=1.0, seed=0)) == 2


def test_leiden_finds_communities():
    pytest.importorskip("igraph", reason="scanpy's Leiden needs it")
    z, labels = blobs([60, 50, 40])
    centroids = find_centroids(z, method="leiden", resolution=0.1, seed=0)
    np.testing.assert_array_equal(nearest(z, centroids), labels)


def test_centroids_are_the_means_of_the_clusters_with_valleys_between_them():
    z, labels = blobs([200, 60, 40])
    centroids = find_centroids(z, method="valleys", resolution=1.0, seed=0)
    np.testing.assert_allclose(centroids, [z[labels == k].mean(0) for k in range(3)], atol=1e-5)
