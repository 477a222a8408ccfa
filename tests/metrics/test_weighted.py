from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.stats import ttest_ind
from sklearn.metrics import mean_squared_error, r2_score

from scpi.metrics import change_weights, r2, rmse, weighted_mse, weighted_r2

VECTORS = arrays(np.float64, 6, elements=st.floats(-10, 10, width=16))


@pytest.fixture
def changes():
    rng = np.random.default_rng(0)
    real = rng.normal(0.3, size=(4, 30))
    return real, 0.6 * real + rng.normal(0.1, 0.8, size=real.shape), rng.exponential(size=real.shape)


def test_weights_are_squared_scaled_t_statistics():
    rng = np.random.default_rng(1)
    cells, control = rng.normal(0.2, 1.5, size=(20, 9)), rng.normal(size=(50, 9))
    t = np.abs(ttest_ind(cells, control, equal_var=False).statistic)
    scaled = ((t - t.min()) / (t.max() - t.min())) ** 2
    expected = scaled / scaled.sum()
    np.testing.assert_allclose(change_weights(cells, control), expected, rtol=1e-10)
    np.testing.assert_allclose(
        change_weights(sparse.csr_array(cells), sparse.csc_matrix(control)), expected, rtol=1e-10
    )


def test_weights_by_hand():
    # t = 0, 2 and 4 with the standard error 1 each
    cells = np.array([[-1.0, 1.0, 3.0], [1.0, 3.0, 5.0]])
    np.testing.assert_allclose(change_weights(cells, np.zeros((2, 3))), [0, 0.2, 0.8])


def test_a_gene_without_variance_has_no_weight():
    cells = np.array([[7.0, -1.0, 1.0, 3.0], [7.0, 1.0, 3.0, 5.0]])
    weights = change_weights(cells, np.zeros((2, 4)))
    np.testing.assert_allclose(weights, [0, 0, 0.2, 0.8])
    # Nor where the others all change
    np.testing.assert_allclose(change_weights(cells[:, [0, 2, 3]], np.zeros((2, 3))), [0, 0, 1])


def test_equal_weights_where_no_gene_stands_out():
    np.testing.assert_allclose(change_weights(np.ones((3, 4)), np.zeros((3, 4))), 0.25)
    np.testing.assert_allclose(change_weights([[0.0, 1.0], [2.0, 3.0]], [[0.0, 1.0], [2.0, 3.0]]), 0.5)


def test_against_an_oracle(changes):
    for metric, oracle in ((weighted_r2, r2_score), (weighted_mse, mean_squared_error)):
        values = metric(*changes)
        expected = [oracle(x, y, sample_weight=w) for x, y, w in zip(*changes, strict=True)]
        np.testing.assert_allclose(values, expected, rtol=1e-10)
        single = metric(*(array[1] for array in changes))
        assert isinstance(single, float)
        assert single == pytest.approx(values[1], rel=1e-12)


def test_one_vector_of_weights_serves_all_conditions(changes):
    real, predicted, weights = changes
    for metric in (weighted_r2, weighted_mse):
        repeated = np.tile(weights[0], (4, 1))
        np.testing.assert_allclose(metric(real, predicted, weights[0]), metric(real, predicted, repeated))


def test_the_mean_of_all_perturbations_explains_nothing_of_changes_against_it(changes):
    profiles = changes[0]
    reference = profiles.mean(0)
    assert (weighted_r2(profiles - reference, np.zeros_like(profiles), changes[2]) <= 0).all()


def test_r2_is_undefined_where_nothing_varies_that_has_a_weight():
    assert np.isnan(weighted_r2([0.1, 0.1, 5.0], [1.0, 2.0, 3.0], [0.3, 0.7, 0.0]))


@settings(max_examples=50, deadline=None)
@given(x=VECTORS, y=VECTORS, w=arrays(np.float64, 6, elements=st.floats(0.125, 8, width=16)), scale=st.floats(0.1, 10))
def test_properties(x, y, w, scale):
    equal = np.ones(6)
    np.testing.assert_allclose(weighted_r2(x, y, equal), r2(x, y), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(weighted_mse(x, y, equal), rmse(x, y) ** 2, atol=1e-9)
    np.testing.assert_allclose(weighted_mse(x, y, scale * w), weighted_mse(x, y, w), atol=1e-9)
    assert weighted_mse(x, x, w) == 0
    assert weighted_r2(x, y, w) <= 1 or np.isnan(weighted_r2(x, y, w))


def test_bad_input():
    real = np.arange(3.0)
    for metric in (weighted_r2, weighted_mse):
        with pytest.raises(ValueError, match=r"`weights` must be of the genes or of shape \(3,\)"):
            metric(real, real, np.ones(4))
        for weights in (np.zeros(3), [-1.0, 1.0, 1.0], [np.nan, 1.0, 1.0]):
            with pytest.raises(ValueError, match="not negative, and not all zero"):
                metric(real, real, weights)
        with pytest.raises(ValueError, match="same genes"):
            metric(real, np.ones(4), np.ones(3))
    with pytest.raises(ValueError, match="`cells` has 2 genes and `control` 3"):
        change_weights(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"`control` has 1 cell\(s\)"):
        change_weights(np.ones((2, 2)), np.ones((1, 2)))
