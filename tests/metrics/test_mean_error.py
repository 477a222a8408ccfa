from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from scpi.metrics import mse_normalised, mse_unbiased

CELLS = arrays(np.float64, st.tuples(st.integers(2, 6), st.just(3)), elements=st.floats(-10, 10, width=16))
# Laws of one cell: expression of two genes, and probabilities
REAL = np.array([[0.0, 1.0], [2.0, 0.0], [5.0, 3.0]]), np.array([0.5, 0.3, 0.2])
PREDICTED = np.array([[1.0, 4.0], [0.0, 0.0]]), np.array([0.25, 0.75])


def samples(law, n):
    """All samples of `n` cells of a law, with their probabilities."""
    values, p = law
    for chosen in product(range(len(p)), repeat=n):
        yield values[list(chosen)], p[list(chosen)].prod()


def true_error():
    return np.mean((REAL[1] @ REAL[0] - PREDICTED[1] @ PREDICTED[0]) ** 2)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_expectation_is_the_true_error_of_a_fixed_prediction(n):
    mean = (PREDICTED[1] @ PREDICTED[0])[None]
    expected = sum(p * mse_unbiased(cells, mean) for cells, p in samples(REAL, n))
    assert expected == pytest.approx(true_error(), rel=1e-12)
    plain = sum(p * np.mean((cells.mean(0) - mean) ** 2) for cells, p in samples(REAL, n))
    variance = REAL[1] @ REAL[0] ** 2 - (REAL[1] @ REAL[0]) ** 2
    assert plain == pytest.approx(true_error() + variance.mean() / n, rel=1e-12)


def test_the_expectation_is_the_true_error_of_sampled_predictions():
    pairs = list(product(samples(REAL, 3), samples(PREDICTED, 2)))
    corrected = sum(p * q * mse_unbiased(x, y, correct_predicted=True) for (x, p), (y, q) in pairs)
    assert corrected == pytest.approx(true_error(), rel=1e-12)
    uncorrected = sum(p * q * mse_unbiased(x, y) for (x, p), (y, q) in pairs)
    variance = PREDICTED[1] @ PREDICTED[0] ** 2 - (PREDICTED[1] @ PREDICTED[0]) ** 2
    assert uncorrected == pytest.approx(true_error() + variance.mean() / 2, rel=1e-12)


def test_by_hand():
    # Means 1 and 4, variances 2 and 8 over two cells
    assert mse_unbiased([[0.0, 2.0], [2.0, 6.0]], [[1.0, 0.0]]) == pytest.approx(((0 - 1) + (16 - 4)) / 2)


def test_it_is_what_a_jackknife_of_the_mean_gives():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 4)), rng.normal(size=(1, 4))
    left_out = np.array([np.delete(x, i, axis=0).mean(0) for i in range(7)])
    variance = 6 / 7 * ((left_out - left_out.mean(0)) ** 2).sum(0)
    assert mse_unbiased(x, y) == pytest.approx(np.mean((x.mean(0) - y[0]) ** 2 - variance))


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_sparse_gives_the_same_and_is_not_made_dense(convert, monkeypatch):
    rng = np.random.default_rng(1)
    x, y, z = rng.poisson(0.4, size=(3, 30, 8)).astype(np.float32)
    expected = mse_unbiased(x, y, correct_predicted=True), mse_unbiased(x, z)
    matrices = [convert(values) for values in (x, y, z)]
    for cls in (sparse.csr_matrix, sparse.csr_array, sparse.csc_array):
        monkeypatch.setattr(cls, "toarray", lambda *args, **kwargs: pytest.fail("made dense"))
    assert mse_unbiased(matrices[0], matrices[1], correct_predicted=True) == pytest.approx(expected[0], rel=1e-12)
    assert mse_unbiased(matrices[0], matrices[2]) == pytest.approx(expected[1], rel=1e-12)


def test_entries_that_are_stored_twice_are_added_and_the_input_stays():
    twice = sparse.csr_array((np.ones(3), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2))
    assert mse_unbiased(twice, [[0.0, 0.0]]) == pytest.approx(mse_unbiased([[2.0, 0.0], [0.0, 1.0]], [[0.0, 0.0]]))
    assert twice.nnz == 3


def test_a_large_mean_does_not_drown_a_small_variance():
    x = np.random.default_rng(2).normal(size=(50, 2))
    for cells in (x + 1e8, sparse.csr_array(x + 1e8)):
        assert mse_unbiased(cells, x.mean(0)[None] + 1e8) == pytest.approx(-(x.var(0, ddof=1) / 50).mean(), rel=1e-5)


@settings(max_examples=50, deadline=None)
@given(x=CELLS, y=CELLS, shift=st.floats(-10, 10, width=16), scale=st.floats(0.125, 8, width=16))
def test_properties(x, y, shift, scale):
    value = mse_unbiased(x, y, correct_predicted=True)
    assert mse_unbiased(y, x, correct_predicted=True) == pytest.approx(value, abs=1e-8)
    assert mse_unbiased(x + shift, y + shift, correct_predicted=True) == pytest.approx(value, abs=1e-8)
    assert mse_unbiased(scale * x, scale * y, correct_predicted=True) == pytest.approx(scale**2 * value, abs=1e-6)
    assert value <= mse_unbiased(x, y) + 1e-9 <= np.mean((x.mean(0) - y.mean(0)) ** 2) + 2e-9


def test_bad_input():
    with pytest.raises(ValueError, match=r"`real` has 1 cell\(s\), but at least 2"):
        mse_unbiased([[1.0]], [[1.0]])
    with pytest.raises(ValueError, match=r"`predicted` has 1 cell\(s\), but at least 2"):
        mse_unbiased([[1.0], [2.0]], [[1.0]], correct_predicted=True)
    with pytest.raises(ValueError, match="`real` has 1 genes and `predicted` 2"):
        mse_unbiased([[1.0], [2.0]], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="`real` must be cells x genes"):
        mse_unbiased([1.0, 2.0], [[1.0, 2.0]])
    with pytest.raises(ValueError, match="`predicted` has NaN or infinite"):
        mse_unbiased([[1.0], [2.0]], [[np.nan]])
    with pytest.raises(ValueError, match="`real` has NaN or infinite"):
        mse_unbiased(sparse.csr_array([[np.inf], [2.0]]), [[0.0]])


def test_normalised_is_a_ratio_of_sums():
    error, effect = np.array([0.2, -0.1, 0.5]), np.array([1.0, 0.1, 0.1])
    assert mse_normalised(error, effect) == pytest.approx(0.6 / 1.2)
    assert isinstance(mse_normalised(0.1, 0.2), float)
    np.testing.assert_allclose(mse_normalised(np.stack([error, effect]), effect), [0.5, 1.0])
    assert np.isnan(mse_normalised([0.1, 0.1], [0.2, -0.2]))


def test_a_perfect_prediction_is_near_0_and_the_control_near_1():
    rng = np.random.default_rng(3)
    effects = rng.normal(0, 0.3, size=(40, 50))
    control = rng.normal(size=(300, 50))
    real = [effect + rng.normal(size=(20, 50)) for effect in effects]
    size = [mse_unbiased(cells, control, correct_predicted=True) for cells in real]
    fresh = [rng.normal(size=(300, 50)) for _ in real]
    error = [mse_unbiased(cells, other, correct_predicted=True) for cells, other in zip(real, fresh, strict=True)]
    perfect = [mse_unbiased(cells, effect[None]) for cells, effect in zip(real, effects, strict=True)]
    assert mse_normalised(error, size) == pytest.approx(1, abs=0.1)
    assert mse_normalised(perfect, size) == pytest.approx(0, abs=0.05)
    # Without the correction, the truth itself would have scored about 0.05 / 0.09
    plain = [np.mean((cells.mean(0) - effect) ** 2) for cells, effect in zip(real, effects, strict=True)]
    assert mse_normalised(plain, size) > 0.4


def test_bad_input_of_normalised():
    with pytest.raises(ValueError, match="same conditions"):
        mse_normalised([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="leave these conditions out"):
        mse_normalised([1.0, np.nan], [1.0, 2.0])
