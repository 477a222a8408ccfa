from __future__ import annotations

import numpy as np
import ot.sliced
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from scpi.metrics import mean_pairwise_distance, sliced_wasserstein, wasserstein

pytestmark = pytest.mark.smoke("ot", "scipy", "hypothesis")

SAMPLES = arrays(np.float64, st.tuples(st.integers(1, 6), st.just(3)), elements=st.floats(-10, 10, width=32))


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 31), (1, 7), (12, 8)])
def test_sliced_in_one_dimension_as_scipy(n, m):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=n), rng.normal(0.5, 2, size=m)
    assert sliced_wasserstein(x[:, None], y[:, None]) == pytest.approx(wasserstein_distance(x, y), rel=1e-9)


def test_sliced_is_the_mean_over_its_directions():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 4)), rng.normal(1, size=(15, 4))
    directions = np.random.default_rng(5).normal(size=(4, 7))
    directions /= np.linalg.norm(directions, axis=0)
    expected = [wasserstein_distance(x @ d, y @ d) for d in directions.T]
    assert sliced_wasserstein(x, y, n_projections=7, rng=5) == pytest.approx(np.mean(expected), rel=1e-9)


@pytest.mark.parametrize("order", [1, 2])
def test_sliced_against_pot(order):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(20, 4)), rng.normal(1, size=(15, 4))
    directions = np.random.default_rng(5).normal(size=(4, 7))
    directions /= np.linalg.norm(directions, axis=0)
    expected = ot.sliced.sliced_wasserstein_distance(x, y, projections=directions, p=order)
    assert sliced_wasserstein(x, y, order=order, n_projections=7, rng=5) == pytest.approx(expected, rel=1e-9)


def test_sliced_of_a_shift_is_its_length_over_the_root_of_the_dimensions():
    x = np.random.default_rng(3).normal(size=(50, 16))
    value = sliced_wasserstein(x, x + 3.0 / 4.0, order=2, n_projections=5000)
    assert value == pytest.approx(3.0 / 4.0, rel=0.05)


@pytest.mark.parametrize("cost", ["euclidean", "sqeuclidean"])
def test_exact_against_an_assignment(cost):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(12, 5)), rng.normal(1, 2, size=(12, 5))
    costs = cdist(x, y, cost)
    expected = costs[linear_sum_assignment(costs)].mean()
    assert wasserstein(x, y, cost=cost) == pytest.approx(expected, rel=1e-9)
    # Twice as many of the same observations are the same law
    assert wasserstein(np.repeat(x, 2, axis=0), y, cost=cost) == pytest.approx(expected, rel=1e-9)


def test_exact_in_one_dimension_as_scipy():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=40), rng.normal(0.5, 2, size=31)
    assert wasserstein(x[:, None], y[:, None]) == pytest.approx(wasserstein_distance(x, y), rel=1e-9)


def test_exact_squared_cost_of_a_shift_is_its_squared_length():
    x = np.random.default_rng(6).normal(size=(30, 4))
    assert wasserstein(x, x + 1.5, cost="sqeuclidean") == pytest.approx(4 * 1.5**2)
    assert wasserstein(x, x + 1.5) == pytest.approx(2 * 1.5)


def test_transport_that_fails_is_an_error(monkeypatch):
    monkeypatch.setattr("ot.emd2", lambda *args, **kwargs: (0.0, {"warning": "out of iterations"}))
    with pytest.raises(RuntimeError, match="between 3 and 2 observations was not solved: out of iterations"):
        wasserstein(np.ones((3, 1)), np.ones((2, 1)))


@pytest.mark.parametrize("block_size", [3, 1024])
def test_mean_pairwise_against_all_pairs(block_size):
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(8, 3)), rng.normal(1, 2, size=(5, 3))
    assert mean_pairwise_distance(x, y, block_size=block_size) == pytest.approx(cdist(x, y).mean(), rel=1e-12)


def test_mean_pairwise_rewards_cells_without_variance():
    x = np.random.default_rng(8).normal(size=(200, 5))
    assert mean_pairwise_distance(x, np.zeros((1, 5))) < 0.8 * mean_pairwise_distance(x, x)


@settings(max_examples=50, deadline=None)
@given(x=SAMPLES, y=SAMPLES, shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_properties(x, y, shift, scale):
    value = sliced_wasserstein(x, y, n_projections=10)
    assert value >= 0
    assert sliced_wasserstein(y, x, n_projections=10) == pytest.approx(value, abs=1e-9)
    assert sliced_wasserstein(x + shift, y + shift, n_projections=10) == pytest.approx(value, abs=1e-4)
    assert sliced_wasserstein(scale * x, scale * y, n_projections=10) == pytest.approx(scale * value, abs=1e-4)
    assert value <= sliced_wasserstein(x, y, order=2, n_projections=10) + 1e-9
    # No direction sees more than all dimensions together, and no plan is dearer than moving everything everywhere
    assert value <= wasserstein(x, y) + 1e-6
    assert wasserstein(x, y) <= mean_pairwise_distance(x, y) + 1e-6
    assert sliced_wasserstein(x, x, n_projections=10) == 0
    # The solver does not tell costs of 1e-38 from none
    assert wasserstein(x, x) == pytest.approx(0, abs=1e-12)


def test_bad_input():
    x, y = np.ones((2, 1)), np.ones((2, 2))
    for metric in (sliced_wasserstein, wasserstein, mean_pairwise_distance):
        with pytest.raises(ValueError, match="same features"):
            metric(x, y)
        with pytest.raises(ValueError, match="`y` has NaN or infinite"):
            metric(x, np.full((2, 1), np.nan))
    with pytest.raises(ValueError, match="`order` must be 1 or 2, but is 3"):
        sliced_wasserstein(x, x, order=3)
    with pytest.raises(ValueError, match="`n_projections` must be at least 1"):
        sliced_wasserstein(x, x, n_projections=0)
    with pytest.raises(ValueError, match="'euclidean' or 'sqeuclidean', but is 'cosine'"):
        wasserstein(x, x, cost="cosine")
