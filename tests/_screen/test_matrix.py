from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi._screen._matrix import dense_rows

X = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0], [0.0, 0.0, 5.0], [7.0, 8.0, 0.0]])


@pytest.mark.parametrize(
    "convert", [np.asarray, np.asfortranarray, lambda x: x.astype(np.int64), sparse.csr_matrix, sparse.csr_array]
)
def test_rows_come_in_the_order_that_is_asked_for(convert):
    rows = dense_rows(convert(X), np.array([3, 0, 3]))
    np.testing.assert_array_equal(rows, X[[3, 0, 3]])
    assert rows.dtype == np.float32
    assert rows.flags["C_CONTIGUOUS"]


def test_entries_that_stand_twice_add_up():
    twice = sparse.csr_matrix((np.array([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    np.testing.assert_array_equal(dense_rows(twice, np.array([1, 0])), [[4.0, 0.0], [0.0, 3.0]])


def test_no_rows_are_no_rows():
    assert dense_rows(sparse.csr_matrix(X), np.array([], dtype=np.int64)).shape == (0, 3)
