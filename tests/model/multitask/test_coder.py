from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpi.model.multitask._coder import ConditionCoder

# Control, A at 1 and 3, B at 1, and both at 1; the last level was not trained on
DESIGN = np.array([[0, 0], [1, 0], [3, 0], [0, 1], [1, 1], [0, 9]], dtype=float)
TRAINED = np.array([True, True, True, True, True, False])


@pytest.fixture
def levels():
    return ConditionCoder("levels", DESIGN, ["A", "B"], trained=TRAINED)


def test_levels_have_a_number_of_their_own_and_the_control_none(levels):
    assert levels.n_codes == 6
    np.testing.assert_array_equal(levels(DESIGN[:5]), np.vstack([np.zeros(6), np.eye(6)[1:5]]))


def test_a_dose_between_levels_is_both(levels):
    share = (np.log1p(2) - np.log1p(1)) / (np.log1p(3) - np.log1p(1))
    np.testing.assert_allclose(levels([[2, 0]])[0], [0, 1 - share, share, 0, 0, 0], rtol=1e-6)
    # Below the least level, it and the control, which has no number
    np.testing.assert_allclose(levels([[0.5, 0]])[0], [0, np.log1p(0.5) / np.log1p(1), 0, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(levels([[50, 0]])[0], np.eye(6)[2])


def test_a_level_that_was_not_trained_on_is_put_together_from_others(levels):
    np.testing.assert_allclose(levels([[0, 9]])[0], np.eye(6)[3])


def test_a_new_combination_is_the_sum_of_its_members():
    without = ConditionCoder("levels", DESIGN, ["A", "B"], trained=TRAINED & (DESIGN.astype(bool).sum(1) < 2))
    np.testing.assert_allclose(without([[3, 1]])[0], [0, 0, 1, 1, 0, 0])


def test_doses_are_logarithms_over_the_largest():
    coder = ConditionCoder("dose", DESIGN, ["A", "B"], trained=TRAINED)
    assert coder.n_codes == 2
    np.testing.assert_allclose(coder([[2, 1]])[0], [np.log(3) / np.log(4), 1.0], rtol=1e-6)
    np.testing.assert_allclose(coder([[0, 9]])[0], [0, np.log(10) / np.log(2)], rtol=1e-6)


@given(low=st.floats(0.01, 50), high=st.floats(0.01, 50))
def test_codes_rise_with_the_dose(low, high):
    coder = ConditionCoder("levels", np.array([[0.0], [1.0], [5.0]]), ["A"])
    low, high = sorted((low, high))
    place = [float(coder([[dose]])[0] @ [0.0, 1.0, 2.0]) for dose in (low, high)]
    assert place[0] <= place[1] + 1e-6 and place[1] <= 2.0


@pytest.mark.parametrize("kind", ["levels", "dose"])
def test_what_was_never_seen_has_no_code(kind):
    coder = ConditionCoder(kind, DESIGN[:3], ["A", "B"])
    with pytest.raises(ValueError, match="'B' (does not occur in the training cells|alone)"):
        coder([[1, 1]])
