from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.de import group_moments


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(300, 7)) * (rng.random((300, 7)) < 0.5)).astype(np.float32)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
@pytest.mark.parametrize("block", [2**25, 800])
def test_moments_are_those_of_numpy(values, convert, block, monkeypatch):
    monkeypatch.setattr("scpi.de._sums._BLOCK_BYTES", block)
    codes = np.random.default_rng(1).integers(-1, 4, 300)
    moments = group_moments(convert(values), codes, n_groups=5)
    for group in range(4):
        rows = values[codes == group].astype(np.float64)
        assert moments.size[group] == len(rows)
        np.testing.assert_allclose(moments.mean[group], rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(moments.variance[group], rows.var(axis=0, ddof=1), rtol=1e-10)
    assert moments.size[4] == 0
    assert np.isnan(moments.mean[4]).all()


def test_a_large_mean_does_not_drown_the_variance():
    x = np.random.default_rng(0).normal(1e8, 1e-3, size=(1000, 1))
    moments = group_moments(x, np.zeros(1000, dtype=int))
    np.testing.assert_allclose(moments.variance, x.var(axis=0, ddof=1)[None], rtol=1e-6)


def test_equal_values_have_no_variance():
    x = np.full((997, 1), 0.1)
    assert group_moments(x, np.zeros(997, dtype=int)).variance == 0
    assert group_moments(sparse.csr_matrix(x), np.zeros(997, dtype=int)).variance == 0


def test_one_row_has_no_variance():
    moments = group_moments([[1.0], [2.0], [4.0]], [0, 1, 1])
    assert np.isnan(moments.variance[0, 0])
    assert moments.variance[1, 0] == 2.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_must_be_finite(bad):
    with pytest.raises(ValueError, match="finite"):
        group_moments([[1.0], [bad]], [0, 0])


def test_codes_must_fit():
    with pytest.raises(ValueError, match="one value for each of the 2 rows"):
        group_moments([[1.0], [2.0]], [0, 0, 0])


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_codes_beyond_the_groups_are_refused(convert):
    with pytest.raises(ValueError, match="has the code 2, but `n_groups` is 2: codes are 0 to 1"):
        group_moments(convert(np.ones((3, 1))), [0, 1, 2], n_groups=2)
