from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from scpi.metrics import correlation_error, variance_ratio

CELLS = arrays(np.float64, st.tuples(st.integers(2, 6), st.just(3)), elements=st.integers(-8, 8).map(float))


def test_variance_by_hand():
    # Variances 2, 8, 2 and 0 against 1, 8, 6 and 50
    real = np.array([[0.0, 0.0, 1.0, 5.0], [2.0, 4.0, 3.0, 5.0]])
    predicted = np.array([[0.0, 1.0, 0.0, 0.0], [np.sqrt(2), 5.0, np.sqrt(12), 10.0]])
    assert variance_ratio(real, predicted) == pytest.approx(1.0)
    assert variance_ratio(real[:, :2], predicted[:, :2]) == pytest.approx(0.75)


@pytest.mark.parametrize("convert", [sparse.csr_array, sparse.csc_matrix])
def test_variance_of_sparse_cells(convert):
    real, predicted = np.random.default_rng(0).poisson(0.5, size=(2, 40, 9)).astype(np.float32)
    expected = np.median(predicted.var(0, ddof=1, dtype=float) / real.var(0, ddof=1, dtype=float))
    assert variance_ratio(convert(real), convert(predicted)) == pytest.approx(expected, rel=1e-6)
    assert variance_ratio(real, convert(predicted)) == pytest.approx(expected, rel=1e-6)


def test_variance_is_undefined_where_nothing_varies():
    assert np.isnan(variance_ratio(np.ones((3, 2)), np.eye(2)))
    assert variance_ratio(np.eye(2), np.ones((3, 2))) == 0


def test_correlation_against_numpy():
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(6, 6))
    real, predicted = rng.normal(size=(50, 6)) @ mixing, rng.normal(size=(30, 6))
    difference = np.corrcoef(real.T) - np.corrcoef(predicted.T)
    pairs = np.triu_indices(6, 1)
    assert correlation_error(real, predicted) == pytest.approx(np.sqrt(np.mean(difference[pairs] ** 2)), rel=1e-10)
    assert correlation_error(real, 3.0 * real - 2.0) == pytest.approx(0, abs=1e-12)


def test_a_gene_without_variance_correlates_with_none():
    rng = np.random.default_rng(2)
    real = rng.normal(size=(50, 3))
    real[:, 1] += real[:, 0]
    flat = real.copy()
    flat[:, 2] = 0.1
    correlation = np.corrcoef(real.T)
    expected = np.sqrt((correlation[0, 2] ** 2 + correlation[1, 2] ** 2) / 3)
    assert correlation_error(real, flat) == pytest.approx(expected, rel=1e-9)
    # A gene that does not vary in the real cells is left out
    pair = np.corrcoef(real[:, :2].T)[0, 1]
    assert correlation_error(flat, np.flip(real, axis=0)) == pytest.approx(0, abs=1e-9)
    assert correlation_error(flat, np.zeros((2, 3))) == pytest.approx(pair, rel=1e-9)
    assert np.isnan(correlation_error(flat[:, 1:], real[:, 1:]))


def test_noise_alone_gives_the_root_of_the_inverse_numbers_of_cells():
    rng = np.random.default_rng(3)
    value = correlation_error(rng.normal(size=(100, 60)), rng.normal(size=(25, 60)))
    assert value == pytest.approx(np.sqrt(1 / 100 + 1 / 25), rel=0.05)


def test_the_marginals_say_nothing_of_the_correlations():
    rng = np.random.default_rng(4)
    real = rng.normal(size=(300, 1)) + rng.normal(size=(300, 8))
    shuffled = rng.permuted(real, axis=0)
    assert variance_ratio(real, shuffled) == pytest.approx(1)
    assert correlation_error(real, shuffled) == pytest.approx(0.5, abs=0.05)


@settings(max_examples=50, deadline=None)
@given(real=CELLS, predicted=CELLS, scale=st.floats(0.25, 4, width=16))
def test_properties(real, predicted, scale):
    ratio = variance_ratio(real, predicted)
    assert ratio >= 0 or np.isnan(ratio)
    assert variance_ratio(real, scale * predicted) == pytest.approx(scale**2 * ratio, nan_ok=True)
    assert variance_ratio(real, real) in (1.0, pytest.approx(np.nan, nan_ok=True))
    error = correlation_error(real, predicted)
    assert 0 <= error <= 2 or np.isnan(error)
    assert correlation_error(real + 1, scale * predicted) == pytest.approx(error, abs=1e-9, nan_ok=True)


def test_bad_input():
    for metric in (variance_ratio, correlation_error):
        with pytest.raises(ValueError, match="`real` has 2 .* `predicted` .*3"):
            metric(np.ones((2, 2)), np.ones((2, 3)))
        with pytest.raises(ValueError, match="`predicted` has 1"):
            metric(np.ones((2, 2)), np.ones((1, 2)))
        with pytest.raises(ValueError, match="`real` has NaN"):
            metric(np.full((2, 2), np.nan), np.ones((2, 2)))
    with pytest.raises(TypeError, match="`real` is a sparse matrix"):
        correlation_error(sparse.eye(3), np.ones((2, 3)))


def test_rounding_in_single_precision_is_no_variance():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(50, 4))
    constant = np.full((50, 4), 3.0, dtype=np.float32)
    rounded = np.where(rng.random((50, 4)) < 0.5, constant, np.nextafter(constant, np.float32(4)))
    assert correlation_error(real, rounded) == correlation_error(real, constant)
