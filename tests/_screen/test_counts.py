from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi._screen._checks import check_counts

COUNTS = np.random.default_rng(0).poisson(2.0, size=(30, 20))


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.float32, np.float64])
def test_counts_of_any_type_pass_uncopied(dtype):
    values = COUNTS.astype(dtype)
    assert check_counts(values) is values
    compressed = sparse.csr_matrix(values)
    assert np.shares_memory(check_counts(compressed).data, compressed.data)


def test_other_sparse_formats_become_rows():
    assert check_counts(sparse.csc_matrix(COUNTS)).format == "csr"
    np.testing.assert_array_equal(check_counts(sparse.csc_matrix(COUNTS)).toarray(), COUNTS)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_log_data_are_recognised(convert):
    with pytest.raises(ValueError, match=r"looks like log-normalised data.*layer='counts'"):
        check_counts(convert(np.log1p(COUNTS / 7.0)))


def test_normalised_counts_are_fractional():
    with pytest.raises(ValueError, match=r"`data` must be counts, but has \d+ fractional.*normalised counts"):
        check_counts(COUNTS * 33.3, name="data")


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_negative_counts(dtype):
    values = COUNTS.astype(dtype)
    values[3, 4] = -2
    with pytest.raises(ValueError, match="1 of 600 values are negative"):
        check_counts(values)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite(value):
    values = COUNTS.astype(float)
    values[3, [4, 5]] = value
    with pytest.raises(ValueError, match="2 of 600 values are missing or infinite"):
        check_counts(values)


def test_what_is_no_matrix():
    with pytest.raises(ValueError, match="rows x genes"):
        check_counts(COUNTS[0])
    with pytest.raises(ValueError, match="numbers"):
        check_counts(COUNTS.astype(str))


def test_nothing_is_counts():
    assert check_counts(np.zeros((0, 5))).shape == (0, 5)
    assert check_counts(sparse.csr_matrix((4, 5))).nnz == 0


def test_a_fraction_in_the_last_block(monkeypatch):
    monkeypatch.setattr("scpi._screen._checks._CHUNK", 40)
    values = COUNTS.astype(float)
    values[29, 19] = 0.5
    with pytest.raises(ValueError, match=r"1 fractional values, such as 0.5"):
        check_counts(values)
