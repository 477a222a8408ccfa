from __future__ import annotations

import numpy as np
import pytest

from scpi.model.senavae._stability import default_n_edges, edge_frequencies, effect_weights, strongest


def test_the_number_of_edges_to_look_for():
    assert [default_n_edges(n) for n in (1, 2, 3, 5, 10, 50)] == [1, 1, 1, 5, 20, 100]


def test_the_strongest_edges_keep_their_sign():
    graph = np.array([[0, 0.5, -2.0], [0, 0, 0.1], [0, 0, 0]])
    assert strongest(graph, 2).tolist() == [[0, 1, -1], [0, 0, 0], [0, 0, 0]]
    # An edge that is not there has no sign, however many are asked for
    assert strongest(graph, 9).tolist() == [[0, 1, -1], [0, 0, 1], [0, 0, 0]]


@pytest.fixture
def pair():
    """Two factors with direct effects of equal size, the first of which acts on the second with this weight."""

    def make(weight):
        direct = np.eye(2, 20)
        return np.array([direct[0] + weight * direct[1], direct[1]])

    return make


def test_an_edge_in_exact_effects_is_always_found(pair):
    positive, negative = edge_frequencies([pair(-1.0)] * 4, n_edges=1, size_sd=0.0, rng=np.random.default_rng(0))
    assert negative.tolist() == [[0, 1], [0, 0]]
    assert not positive.any()


@pytest.mark.parametrize(("weight", "expected"), [(0.5, 0.604), (1.0, 0.793), (2.0, 0.971)])
def test_the_direction_is_as_sure_as_the_sizes_allow(pair, weight, expected):
    """The order is right if the effect of the cause stays the larger: Phi(log(1 + w^2) / (2 sd sqrt(2)))."""
    found, _ = edge_frequencies([pair(weight)] * 3000, n_edges=1, size_sd=0.3, rng=np.random.default_rng(0))
    assert found[0, 1] == pytest.approx(expected, abs=0.03)
    assert found[0, 1] + found[1, 0] == pytest.approx(1)


def test_weights_make_effects_of_means():
    rng = np.random.default_rng(2)
    effects, controls = rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
    # Controls of two contexts, each perturbation alone and both together
    shifts = np.array([[0, 0], [0, 0], [2, 0], [0, -1], [1, 1]])
    context = np.array([0, 1, 0, 1, 1])
    means = controls[context] + shifts @ effects
    weights = effect_weights(shifts, np.array([9, 9, 4, 5, 6]), context, np.arange(5) < 2)
    np.testing.assert_allclose(weights @ means, effects, atol=1e-10)
    np.testing.assert_allclose(weights.sum(1), 0, atol=1e-12)
