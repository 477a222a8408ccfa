from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance as scipy_energy_distance

from scpi.metrics import energy_distance

SAMPLES = arrays(np.float64, st.tuples(st.integers(2, 6), st.just(3)), elements=st.floats(-10, 10, width=32))


@pytest.mark.parametrize("block_size", [3, 1024])
@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("cell_wise_metric", ["euclidean", "sqeuclidean"])
def test_against_all_pairs(cell_wise_metric, unbiased, block_size):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(1, 2, size=(5, 3))
    xx, yy, xy = (cdist(a, b, cell_wise_metric) for a, b in ((x, x), (y, y), (x, y)))
    within_x = xx.sum() / (8 * 7) if unbiased else xx.mean()
    within_y = yy.sum() / (5 * 4) if unbiased else yy.mean()
    value = energy_distance(x, y, cell_wise_metric=cell_wise_metric, unbiased=unbiased, block_size=block_size)
    assert value == pytest.approx(2 * xy.mean() - within_x - within_y, rel=1e-12)


def test_one_dimension_as_scipy():
    # SciPy gives the root of the biased distance
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=40), rng.normal(0.5, size=30)
    value = energy_distance(x[:, None], y[:, None], unbiased=False)
    assert np.sqrt(value) == pytest.approx(scipy_energy_distance(x, y), rel=1e-9)


def test_squared_is_twice_the_squared_distance_of_means():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(9, 4)), rng.normal(2, size=(7, 4))
    value = energy_distance(x, y, cell_wise_metric="sqeuclidean", unbiased=False)
    assert value == pytest.approx(2 * np.sum((x.mean(0) - y.mean(0)) ** 2), rel=1e-12)


def test_unbiased_is_zero_on_average_under_the_null():
    rng = np.random.default_rng(3)
    values = [energy_distance(*rng.normal(size=(2, 15, 3))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20
    assert min(values) < 0 < max(values)


@settings(max_examples=50, deadline=None)
@given(x=SAMPLES, y=SAMPLES, shift=st.floats(-100, 100), scale=st.floats(0.1, 10))
def test_properties(x, y, shift, scale):
    value = energy_distance(x, y)
    assert energy_distance(y, x) == pytest.approx(value, abs=1e-9)
    assert energy_distance(x + shift, y + shift) == pytest.approx(value, abs=1e-4)
    assert energy_distance(x * scale, y * scale) == pytest.approx(value * scale, abs=1e-4)
    assert energy_distance(x, y, unbiased=False) >= -1e-5


def test_bad_input():
    with pytest.raises(ValueError, match="'euclidean' or 'sqeuclidean'"):
        energy_distance(np.ones((2, 1)), np.ones((2, 1)), cell_wise_metric="cosine")
    with pytest.raises(ValueError, match="1 observation"):
        energy_distance(np.ones((1, 1)), np.ones((2, 1)))
    with pytest.raises(TypeError, match="sparse"):
        import scipy.sparse as sp

        energy_distance(sp.eye(3), np.ones((2, 3)))
