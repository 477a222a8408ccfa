from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scpi.metrics import mmd, multi_kernel_bandwidths

SAMPLES = arrays(np.float64, st.tuples(st.integers(2, 6), st.just(3)), elements=st.floats(-10, 10, width=32))


def naive_mmd(x, y, bandwidths, *, unbiased):
    """The definition, one pair and one kernel at a time."""

    def kernel(a, b):
        return sum(math.exp(-sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / h) for h in bandwidths)

    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if not (unbiased and i == j))
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if not (unbiased and i == j))
    xy = sum(kernel(a, b) for a in x for b in y)
    if unbiased:
        return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)
    return xx / n**2 + yy / m**2 - 2 * xy / (n * m)


def test_bandwidths_as_published():
    np.testing.assert_allclose(multi_kernel_bandwidths(200.0, 10), [6.25 * 2**i for i in range(10)], rtol=1e-15)
    np.testing.assert_allclose(multi_kernel_bandwidths(1000.0), [31.25 * 2**i for i in range(10)], rtol=1e-15)
    np.testing.assert_allclose(multi_kernel_bandwidths(3.0, 1), [3.0], rtol=1e-15)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("block_size", [4, 1024])
@pytest.mark.parametrize(
    "bandwidths", [None, [2.0], [1.0, 2.0, 4.0], [0.7, 3.0, 6.0, 11.0]], ids=["data", "one", "doubling", "irregular"]
)
def test_against_triple_loop(bandwidths, block_size, unbiased):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(11, 4)), rng.normal(0.5, 2.0, size=(9, 4))
    expected = bandwidths
    if expected is None:
        pooled = np.vstack([x, y])
        distances = ((pooled[:, None] - pooled[None]) ** 2).sum(-1)
        expected = multi_kernel_bandwidths(distances.sum() / (20 * 19), 10)
    value = mmd(x, y, bandwidths=bandwidths, unbiased=unbiased, block_size=block_size)
    assert value == pytest.approx(naive_mmd(x, y, expected, unbiased=unbiased), rel=1e-10, abs=1e-12)


def test_base_bandwidth_is_the_middle_one():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(10, 3)), rng.normal(1.0, size=(10, 3))
    assert mmd(x, y, base_bandwidth=4.0, n_kernels=3) == mmd(x, y, bandwidths=[4.0, 2.0, 8.0])


def test_far_from_the_origin_keeps_its_digits():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(30, 5)), rng.normal(0.3, size=(30, 5))
    assert mmd(x + 1e6, y + 1e6, base_bandwidth=5.0) == pytest.approx(mmd(x, y, base_bandwidth=5.0), rel=1e-6)


def test_unbiased_is_zero_on_average_under_the_null():
    rng = np.random.default_rng(3)
    values = [mmd(*rng.normal(size=(2, 20, 3)), base_bandwidth=6.0) for _ in range(400)]
    standard_error = np.std(values) / math.sqrt(len(values))
    assert abs(np.mean(values)) < 4 * standard_error
    assert min(values) < 0 < max(values)


def test_biased_floor():
    rng = np.random.default_rng(4)
    n, bandwidths = 16, multi_kernel_bandwidths(6.0, 10)
    values = [mmd(*rng.normal(size=(2, n, 3)), bandwidths=bandwidths, unbiased=False) for _ in range(400)]
    # E exp(-|a-b|^2 / h) for a - b ~ N(0, 2 I) in three dimensions
    mean_kernel = np.sum((1 + 4 / bandwidths) ** -1.5)
    floor = 2 / n * (10 - mean_kernel)
    assert np.mean(values) == pytest.approx(floor, abs=4 * np.std(values) / math.sqrt(len(values)))


def test_shift_of_a_gaussian_closed_form():
    rng = np.random.default_rng(5)
    shift, h, n = 1.5, 2.0, 3000
    value = mmd(rng.normal(size=(n, 1)), rng.normal(shift, size=(n, 1)), bandwidths=[h])
    expected = 2 * (1 + 4 / h) ** -0.5 * (1 - math.exp(-(shift**2) / (h + 4)))
    assert value == pytest.approx(expected, rel=0.05)


@settings(max_examples=50, deadline=None)
@given(x=SAMPLES, y=SAMPLES, shift=st.floats(-100, 100))
def test_properties(x, y, shift):
    value = mmd(x, y, base_bandwidth=10.0)
    assert mmd(y, x, base_bandwidth=10.0) == pytest.approx(value, abs=1e-9)
    assert mmd(x + shift, y + shift, base_bandwidth=10.0) == pytest.approx(value, abs=1e-7)
    assert mmd(x, y, base_bandwidth=10.0, unbiased=False) >= -1e-9
    assert mmd(x, x, base_bandwidth=10.0, unbiased=False) == pytest.approx(0, abs=1e-9)


def test_identical_points_need_no_bandwidth():
    assert mmd(np.ones((3, 2)), np.ones((4, 2))) == 0.0


@pytest.mark.parametrize(
    ("x", "y", "kwargs", "match"),
    [
        (np.ones((3, 2)), np.ones((3, 4)), {}, "2 features and `y` has 4"),
        (np.ones((1, 2)), np.ones((3, 2)), {}, "1 observation"),
        (np.ones(3), np.ones((3, 1)), {}, "two dimensions"),
        (np.array([[np.nan], [1.0]]), np.ones((3, 1)), {}, "NaN or infinite"),
        (np.ones((3, 1)), np.ones((3, 1)), {"bandwidths": [0.0]}, "positive"),
        (np.ones((3, 1)), np.ones((3, 1)), {"bandwidths": [1.0], "base_bandwidth": 1.0}, "not both"),
        (np.ones((3, 1)), np.ones((3, 1)), {"base_bandwidth": -1.0}, "positive"),
        (np.ones((3, 1)), np.ones((3, 1)), {"n_kernels": 0}, "at least 1"),
    ],
)
def test_bad_input(x, y, kwargs, match):
    with pytest.raises(ValueError, match=match):
        mmd(x, y, **kwargs)
