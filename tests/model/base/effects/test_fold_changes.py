from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scpi.model.base.effects._fold_changes import from_log_level, log_level, log_ratio, log_slope


def test_a_fold_change_of_expression_on_the_linear_scale():
    before, after = np.log1p([4.0, 0.0]), np.log1p([9.0, 0.3])
    np.testing.assert_allclose(log_level(after) - log_level(before), [np.log(9.1 / 4.1), np.log(4.0)])
    # A tenfold decrease of what is hardly there leaves nothing, not less than nothing
    np.testing.assert_array_equal(from_log_level(log_level(np.log1p([0.5])) - np.log(10)), [0.0])


@given(st.floats(0, 10))
def test_levels_are_taken_back(value):
    np.testing.assert_allclose(from_log_level(log_level(np.array([value]))), [value], atol=1e-9)


def test_the_slope_is_the_derivative_of_the_level():
    x, step = np.array([0.0, 0.2, 3.0]), 1e-6
    np.testing.assert_allclose(log_slope(x), (log_level(x + step) - log_level(x)) / step, rtol=1e-4)


def test_a_ratio_of_what_is_hardly_there_is_small():
    found = log_ratio(np.array([2.0, 0.0, 1e-6]), np.array([4.0, 1e-5, 0.1]))
    np.testing.assert_allclose(found, [np.log(2), 0.0, np.log(100)])
