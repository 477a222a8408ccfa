from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpi._screen._composition import compose, composed_weights, dose_weights, same_members

TWO = np.array([[3.0], [1.0]])
LOG = np.log1p


def test_measured_doses_stand_for_themselves():
    assert dose_weights(TWO, np.array([1.0])).tolist() == [0.0, 1.0]
    assert dose_weights(TWO, np.array([3.0])).tolist() == [1.0, 0.0]


def test_between_measured_doses_the_logarithm_counts():
    upper = np.log(2.5 / 2) / np.log(4 / 2)
    assert dose_weights(TWO, np.array([1.5])) == pytest.approx([upper, 1 - upper])


def test_below_the_smallest_the_rest_is_left_to_the_control():
    assert dose_weights(TWO, np.array([0.2])) == pytest.approx([0.0, np.log(1.2) / np.log(2)])


def test_beyond_the_largest_nothing_more_changes():
    assert dose_weights(TWO, np.array([50.0])).tolist() == [1.0, 0.0]


def test_a_combination_at_one_dose_is_read_as_one_perturbation():
    levels = np.array([[1.0, 1.0], [3.0, 3.0], [9.0, 1.0]])
    assert dose_weights(levels, np.array([1.5, 1.5]))[:2] == pytest.approx(dose_weights(TWO[::-1], np.array([1.5])))


def test_a_drug_at_a_dose_beside_a_gene():
    levels = np.array([[1.0, 1.0], [9.0, 1.0]])
    upper = (LOG(4.0) - LOG(1.0)) / (LOG(9.0) - LOG(1.0))
    assert dose_weights(levels, np.array([4.0, 1.0])) == pytest.approx([1 - upper, upper])
    assert dose_weights(levels, np.array([99.0, 1.0])).tolist() == [0.0, 1.0]
    # No gene at a dose of its own was measured, nor the drug at so little
    assert dose_weights(levels, np.array([4.0, 2.0])) is None
    assert dose_weights(levels[1:], np.array([4.0, 1.0])) is None


@given(
    st.lists(st.floats(0.01, 1e4), min_size=1, max_size=6, unique=True),
    st.floats(0.001, 1e5),
)
def test_the_change_is_linear_in_the_logarithm_between_doses(doses, dose):
    """Of changes that are piecewise linear in the logarithm, the weights give back those at any dose."""
    at = np.array(sorted(doses))
    changes = np.sqrt(at)
    found = dose_weights(at[:, None], np.array([dose])) @ changes
    expected = np.interp(LOG(dose), LOG([0.0, *at]), [0.0, *changes])
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


LEVELS = np.array([[1.0, 0, 0], [2.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0], [0, 0, 0]])
NAMES = ["a", "b", "c"]


def test_levels_of_the_same_members():
    assert same_members(LEVELS, np.array([5.0, 0, 0])).tolist() == [0, 1]
    assert same_members(LEVELS, np.zeros(3)).tolist() == [4]


def test_what_was_measured_together_is_not_added():
    assert composed_weights(LEVELS, np.array([1.0, 1.0, 0]), names=NAMES).tolist() == [0, 0, 0, 1, 0]


def test_what_was_not_is_the_sum_of_its_members():
    assert composed_weights(LEVELS[:3], np.array([2.0, 1.0, 0]), names=NAMES).tolist() == [0, 1, 1]


def test_nothing_changes_in_the_control():
    assert composed_weights(LEVELS, np.zeros(3), names=NAMES).tolist() == [0] * 5
    assert compose(np.zeros(3), lambda doses: doses, names=NAMES) is None


def test_members_that_were_not_measured_alone_are_named():
    with pytest.raises(ValueError, match=r"No training cell of context x has 'c' alone"):
        composed_weights(LEVELS, np.array([1.0, 0, 1.0]), names=NAMES, where=" of context x")
    with pytest.raises(ValueError, match=r"has 'b', 'c' alone"):
        composed_weights(LEVELS[:2], np.ones(3), names=NAMES)
    with pytest.raises(ValueError, match=r"has 'c' alone"):
        composed_weights(LEVELS, np.array([0, 0, 1.0]), names=NAMES)


def test_any_kind_of_change_is_composed():
    def measured(doses):
        return 10 * doses if (doses != 0).sum() == 1 else None

    np.testing.assert_array_equal(compose(np.array([1.0, 2.0]), measured, names=["a", "b"]), [10.0, 20.0])
