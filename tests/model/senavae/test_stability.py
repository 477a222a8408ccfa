from __future__ import annotations

import numpy as np
import pytest

from scpi.model.senavae._stability import (
    HalfGraphs,
    Lead,
    default_n_edges,
    edge_frequencies,
    effect_weights,
    leads,
    strongest,
)


def test_the_number_of_edges_to_look_for():
    assert [default_n_edges(n) for n in (1, 2, 3, 5, 10, 50)] == [1, 1, 1, 5, 20, 100]


def test_the_strongest_edges_keep_their_sign():
    graph = np.array([[0, 0.5, -2.0], [0, 0, 0.1], [0, 0, 0]])
    assert strongest(graph, 2).tolist() == [[0, 1, -1], [0, 0, 0], [0, 0, 0]]
    # An edge that is not there has no sign, however many are asked for
    assert strongest(graph, 9).tolist() == [[0, 1, -1], [0, 0, 1], [0, 0, 0]]


def test_a_factor_is_led_by_its_strongest_perturbation():
    lead = leads(np.array([2, 0, 2, 0]), np.array([0.5, -3.0, -1.0, 2.0]), 4)
    assert lead.perturbation.tolist() == [1, -1, 2, -1]
    assert lead.sign.tolist() == [-1, 0, -1, 0]


@pytest.fixture
def pair():
    """Two factors with direct effects of equal size, the first of which acts on the second with this weight."""

    def make(weight):
        direct = np.eye(2, 20)
        return np.array([direct[0] + weight * direct[1], direct[1]])

    return make


def graphs(n_perturbations, *, lead, sign, n_edges=1, controls=None):
    lead = Lead(np.array(lead), np.array(sign, dtype=float))
    return HalfGraphs(lead, precision=np.ones(n_perturbations), controls=controls, n_edges=n_edges)


TWO = graphs(2, lead=[0, 1], sign=[1, 1])


def test_an_edge_in_exact_effects_is_always_found(pair):
    positive, negative = edge_frequencies(TWO, [pair(-1.0)] * 4, size_sd=0.0, rng=np.random.default_rng(0))
    assert negative.tolist() == [[0, 1], [0, 0]]
    assert not positive.any()


@pytest.mark.parametrize(("weight", "expected"), [(0.5, 0.604), (1.0, 0.793), (2.0, 0.971)])
def test_the_direction_is_as_sure_as_the_sizes_allow(pair, weight, expected):
    """The order is right if the effect of the cause stays the larger: Phi(log(1 + w^2) / (2 sd sqrt(2)))."""
    found, _ = edge_frequencies(TWO, [pair(weight)] * 3000, size_sd=0.3, rng=np.random.default_rng(0))
    assert found[0, 1] == pytest.approx(expected, abs=0.03)
    assert found[0, 1] + found[1, 0] == pytest.approx(1)


def test_an_edge_has_the_signs_and_the_numbers_of_the_model(pair):
    """The factors of a half have other numbers and directions; what counts are the perturbations that lead them."""
    cause, effect = pair(1.0)
    # Three perturbations on the effect, of which one pushes it down, and one on the cause
    changes = np.array([0.6 * effect, 0.8 * effect, -1.6 * effect, cause, np.eye(20)[5]])
    model = graphs(5, lead=[2, -1, 3], sign=[1, 0, 1])
    signs = model.signs(changes, size_sd=0.0, rng=np.random.default_rng(0))
    # The model has the leading perturbation push its factor up, hence the edge is negative
    assert signs.tolist() == [[0, 0, 0], [0, 0, 0], [-1, 0, 0]]


def test_factors_that_are_one_in_a_half_have_no_edge_between_them(pair):
    cause, effect = pair(1.0)
    changes = np.array([cause, effect, 2 * effect])
    model = graphs(3, lead=[1, 2], sign=[1, 1])
    assert not model.signs(changes, size_sd=0.0, rng=np.random.default_rng(0)).any()


def test_factors_are_compared_by_their_spread_in_controls(pair):
    """A cause that varies little among the controls has a small effect in its unit, and is taken for the consequence."""
    changes = pair(1.0)
    cells = np.random.default_rng(1).normal(size=(500, 2)) @ np.diag([0.2, 1.0]) @ changes
    model = graphs(2, lead=[0, 1], sign=[1, 1], controls=cells)
    signs = model.signs(changes, size_sd=0.0, rng=np.random.default_rng(0))
    assert signs.tolist() == [[0, 0], [1, 0]]


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
