from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from scpi.model.clustering._valleys import _OF_ONE, _no_valley, nearest, valley_labels


def population(n, *, n_latent=8, shape="normal", rng=0):
    """Cells of one population: a round one, a long one, or one with heavy tails."""
    generator = np.random.default_rng(rng)
    z = generator.normal(size=(n, n_latent))
    if shape == "long":
        z[:, 0] *= 6
    if shape == "heavy":
        z = generator.standard_t(4, size=(n, n_latent))
    return z.astype(np.float32)


@pytest.mark.parametrize("shape", ["normal", "long", "heavy"])
@pytest.mark.parametrize("seed", range(5))
def test_one_population_is_not_divided(shape, seed):
    assert valley_labels(population(600, shape=shape, rng=seed), seed=seed).max() == 0


def test_the_null_hypothesis_is_a_normal_population_that_is_cut_in_two():
    z = np.random.default_rng(0).normal(size=200_000)
    place = (z / np.abs(z).mean() + 1) / 2
    middle, around = ((place > 1 / 3) & (place < 2 / 3)).sum(), (np.abs(place) < 1 / 6).sum()
    assert middle / (middle + around) == pytest.approx(_OF_ONE, abs=0.005)
    assert pytest.approx(0.577, abs=5e-4) == _OF_ONE


@pytest.mark.parametrize("sizes", [[300, 300], [500, 100, 30], [400, 200, 100, 50, 50, 40, 30], [1000, 25]])
def test_clusters_of_unequal_sizes_and_spreads_are_found(sizes):
    z = population(sum(sizes), n_latent=10, rng=1)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    z *= np.linspace(1.0, 0.5, len(sizes), dtype=np.float32)[labels, None]
    z[np.arange(len(z)), labels] += 9
    found = valley_labels(z, seed=0)
    assert adjusted_rand_score(labels, found) > 0.98
    # In the order of their sizes
    assert (np.diff(np.bincount(found)) <= 0).all()


def test_a_long_cluster_beside_a_round_one_stays_whole():
    z = population(800)
    z[:600, 0] *= 6
    z[600:, 1] += 9
    found = valley_labels(z, seed=0)
    assert adjusted_rand_score(np.arange(800) >= 600, found) > 0.98


def test_the_evidence_is_a_binomial_test():
    means = np.array([[0.0, 0.0], [6.0, 0.0]])
    # 20 cells around one mean, 12 around the other, and 3 between: the second coordinate does not matter
    place = np.concatenate([np.zeros(20), np.full(12, 6.0), np.full(3, 3.0), [100.0]])
    z = np.stack([place, np.linspace(-5, 5, len(place))], axis=1)
    assert _no_valley(means, z) == pytest.approx(stats.binomtest(3, 15, _OF_ONE, alternative="less").pvalue)
    assert _no_valley(means, z[:0]) == _no_valley(means[[0, 0]], z) == 1.0


@pytest.mark.parametrize("n", [0, 1, 2, 39])
def test_few_cells_are_one_cluster(n):
    assert valley_labels(population(n), seed=0).tolist() == [0] * n


def test_a_seed_repeats_and_the_order_of_cells_of_a_sample_does_not_matter(monkeypatch):
    from scpi.model.clustering import _valleys

    z = population(900)
    z[:300, 0] += 9
    np.testing.assert_array_equal(valley_labels(z, seed=3), valley_labels(z, seed=3))
    # The cells that are drawn say where the others belong
    monkeypatch.setattr(_valleys, "_N_CELLS", 400)
    assert adjusted_rand_score(np.arange(900) < 300, valley_labels(z, seed=0)) > 0.98


def test_the_nearest_centroid():
    z = np.array([[0.0, 0.1], [4.0, 4.0], [0.9, 1.0]])
    assert nearest(z, np.array([[0.0, 0.0], [1.0, 1.0]])).tolist() == [0, 1, 1]
