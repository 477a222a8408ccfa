from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpi.metrics import scaled

NUMBERS = st.floats(-10, 10, width=16)


def test_by_hand():
    assert scaled(0.5, 0.5, 0.9) == 0
    assert scaled(0.9, 0.5, 0.9) == 1
    assert scaled(0.3, 0.5, 0.9) == pytest.approx(-0.5)
    assert scaled(1.1, 0.5, 0.9) == pytest.approx(1.5)
    assert isinstance(scaled(1, 0, 2), float)


def test_errors_go_down():
    assert scaled(2.0, baseline=4.0, ceiling=1.0) == pytest.approx(2 / 3)


def test_arrays_broadcast_and_nothing_to_tell_is_nan():
    values = scaled(np.array([[1.0, 2.0], [3.0, 4.0]]), [0.0, 2.0], [2.0, 2.0])
    np.testing.assert_array_equal(values, [[0.5, np.nan], [1.5, np.nan]])


@given(value=NUMBERS, baseline=NUMBERS, ceiling=NUMBERS, factor=st.sampled_from([-4.0, 0.5, 3.0]), shift=NUMBERS)
def test_units_do_not_matter(value, baseline, ceiling, factor, shift):
    if abs(ceiling - baseline) < 0.01:
        return
    moved = scaled(factor * value + shift, factor * baseline + shift, factor * ceiling + shift)
    assert moved == pytest.approx(scaled(value, baseline, ceiling), rel=1e-6, abs=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match=r"have shapes \(2,\), \(3,\), \(\), which do not fit"):
        scaled([1.0, 2.0], [1.0, 2.0, 3.0], 1.0)
