from __future__ import annotations

import numpy as np
import pytest

from scpi.de._test_result import TestResult as Result
from scpi.de._test_result import check_groups


def test_p_values_on_three_scales():
    result = Result(effect=np.zeros((1, 3)), score=np.zeros((1, 3)), log_pval=np.array([[0.0, -np.log(20.0), -5000.0]]))
    np.testing.assert_allclose(result.pval, [[1.0, 0.05, 0.0]])
    np.testing.assert_allclose(result.log10_pval, [[0.0, np.log10(0.05), -5000.0 / np.log(10.0)]])


def test_groups_are_codes_from_zero():
    codes, n = check_groups(4, np.array([1, -1, 0, 1], dtype=np.int8), 0, 1)
    assert codes.dtype == np.intp
    assert (codes.tolist(), n) == ([1, -1, 0, 1], 2)


@pytest.mark.parametrize(
    ("codes", "reference", "message"),
    [
        ([0, 1, 1], None, r"one integer for each of the 4 rows, but has shape \(3,\)"),
        ([0.0, 1.0, 1.0, 0.0], None, "dtype float64"),
        ([0, 0, -1, 0], None, "two groups or more to test each against the rest, but there are 1"),
        ([-1] * 4, None, "but there are 0"),
        ([0, 0, 1, 1], 2, "`reference` is group 2, but the groups are 0 to 1"),
        ([0, 0, 0, 2], 0, r"at least 2 row\(s\), but group 1 has 0, group 2 has 1"),
    ],
)
def test_groups_that_cannot_be_tested_are_named(codes, reference, message):
    with pytest.raises(ValueError, match=message):
        check_groups(4, codes, reference, 2)
