from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cosine as scipy_cosine
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from scpi.metrics import cosine, mae, pearson_delta, r2, rmse, sign_accuracy, spearman_delta

ALL = [cosine, mae, pearson_delta, r2, rmse, sign_accuracy, spearman_delta]
ORACLES = {
    cosine: lambda x, y: 1 - scipy_cosine(x, y),
    mae: mean_absolute_error,
    pearson_delta: lambda x, y: pearsonr(x, y).statistic,
    spearman_delta: lambda x, y: spearmanr(x, y).statistic,
    r2: r2_score,
    rmse: root_mean_squared_error,
}


@pytest.fixture
def changes():
    rng = np.random.default_rng(0)
    real = rng.normal(0.3, size=(4, 30))
    return real, 0.6 * real + rng.normal(0.1, 0.8, size=real.shape)


@pytest.mark.parametrize("metric", ORACLES, ids=lambda metric: metric.__name__)
def test_against_an_oracle(metric, changes):
    real, predicted = changes
    expected = [ORACLES[metric](x, y) for x, y in zip(real, predicted, strict=True)]
    np.testing.assert_allclose(metric(real, predicted), expected, rtol=1e-10)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
def test_a_vector_gives_the_number_of_its_row(metric, changes):
    real, predicted = changes
    rows = metric(real, predicted)
    assert rows.shape == (4,)
    single = metric(real[2], predicted[2])
    assert isinstance(single, float)
    assert single == pytest.approx(rows[2], rel=1e-12)


def test_r2_is_of_the_real_change_and_not_cut_off():
    assert r2([0.0, 2.0], [2.0, 0.0]) == -3.0
    assert r2([0.0, 2.0], [0.0, 0.0]) != r2([0.0, 0.0], [0.0, 2.0])


def test_sign_accuracy_by_hand():
    assert sign_accuracy([1.0, -2.0, 3.0, 0.0], [0.1, 1.0, 0.0, 5.0]) == pytest.approx(1 / 3)


def test_a_real_change_without_a_direction_has_no_score():
    real, none = np.array([0.1, 0.2, 0.3]), np.full(3, 0.1)
    for value in (pearson_delta(none, real), spearman_delta(none, real), cosine(0 * real, real), r2(none, real)):
        assert np.isnan(value)
    assert np.isnan(pearson_delta(none, none))
    assert np.isnan(sign_accuracy(0 * real, real))
    assert r2(real, np.full(3, real.mean())) == pytest.approx(0)
    assert rmse(real, 0 * real) == pytest.approx(np.sqrt(np.mean(real**2)))


def test_a_prediction_without_a_direction_agrees_with_nothing():
    real = np.array([[0.1, 0.2, 0.3], [0.3, -0.2, 0.5]])
    assert (
        pearson_delta(real[0], np.full(3, 0.1))
        == spearman_delta(real[0], np.zeros(3))
        == cosine(real[0], np.zeros(3))
        == 0
    )
    # A condition for which nothing is predicted stays in the mean over conditions
    predicted = np.array([np.zeros(3), real[1]])
    for metric in (pearson_delta, spearman_delta, cosine):
        np.testing.assert_allclose(metric(real, predicted), [0.0, 1.0])


@settings(max_examples=50, deadline=None)
@given(
    x=arrays(np.float64, 8, elements=st.floats(-10, 10, width=16)),
    y=arrays(np.float64, 8, elements=st.floats(-10, 10, width=16)),
    scale=st.floats(0.1, 10),
)
def test_properties(x, y, scale):
    if np.ptp(x) and np.ptp(y):
        np.testing.assert_allclose(pearson_delta(x, y), pearson_delta(y, x), atol=1e-9)
    np.testing.assert_allclose(cosine(x, scale * y), cosine(x, y), atol=1e-9)
    assert mae(x, y) <= rmse(x, y) + 1e-9
    assert mae(x, x) == rmse(x, x) == 0
    value = sign_accuracy(x, x)
    assert value == 1 or (np.isnan(value) and not x.any())


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.__name__)
def test_bad_input(metric):
    with pytest.raises(ValueError, match="same genes"):
        metric(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="conditions x genes"):
        metric(np.ones((2, 2, 2)), np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="`predicted` has NaN"):
        metric(np.ones(2), np.array([1.0, np.nan]))
