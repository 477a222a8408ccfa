from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.attribution._checks import check_codes, check_expression, check_positive, find_outputs


@pytest.mark.parametrize("number", [0, -1.0, np.nan])
def test_numbers_must_be_above_zero(number):
    check_positive(steps=1, size=0.5)
    with pytest.raises(ValueError, match="`size` must be positive"):
        check_positive(steps=1, size=number)


def test_sparse_expression_becomes_csr_and_dense_stays():
    assert check_expression(sparse.csc_matrix(np.eye(2))).format == "csr"
    np.testing.assert_array_equal(check_expression([[1, 2]]), [[1, 2]])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones(3), r"shape \(3,\)"),
        ([["a", "b"]], "must be numbers"),
        (np.ones((0, 3)), "no cells"),
        ([[1.0, np.nan]], "NaN or infinite"),
        (sparse.csr_matrix([[0.0, np.inf]]), "NaN or infinite"),
        ([[1.0, -np.inf]], "NaN or infinite"),
    ],
)
def test_what_is_no_expression_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        check_expression(x)


def test_codes_are_one_for_each_cell():
    np.testing.assert_array_equal(check_codes(None, 3), [0, 0, 0])
    assert check_codes(np.array([1, -1], dtype=np.int8), 2).dtype == np.intp
    for codes, message in (([0, 1], "one integer for each of 3"), ([0.0] * 3, "float64"), ([-1] * 3, "every cell")):
        with pytest.raises(ValueError, match=message):
            check_codes(codes, 3)


def test_outputs_are_found_by_name_or_place():
    assert find_outputs(["b", 0, "b"], ["a", "b"]) == [1, 0, 1]
    for output in ("c", 2, -1):
        with pytest.raises(ValueError, match="The target has no output .*only 'a', 'b'"):
            find_outputs(["a", output], ["a", "b"])
