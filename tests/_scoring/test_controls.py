from __future__ import annotations

import numpy as np
import pytest

from scpi._scoring._controls import divide_controls

CONTROLS = np.array([2, 3, 5, 7, 11, 13, 17])


def divide(reference_cells, controls=CONTROLS, seed=0):
    return divide_controls(controls, reference_cells, np.random.default_rng(seed))


def test_apart_is_a_random_half_for_each_purpose():
    start, reference = divide("apart")
    assert (len(start), len(reference)) == (3, 4)
    np.testing.assert_array_equal(np.sort(np.concatenate([start, reference])), CONTROLS)
    np.testing.assert_array_equal(divide("apart")[0], start)
    assert any(set(divide("apart", seed=seed)[0]) != set(start) for seed in range(1, 5))


def test_all_serve_for_both_and_given_ones_leave_the_others():
    for part in divide("all"):
        np.testing.assert_array_equal(part, CONTROLS)
    start, reference = divide([13, 3, 3])
    assert (start.tolist(), reference.tolist()) == ([2, 5, 7, 11, 17], [3, 13])


@pytest.mark.parametrize(
    ("reference_cells", "controls", "message"),
    [
        ("apart", CONTROLS[:3], "at least four control cells, got 3"),
        ("half", CONTROLS, "must be 'apart', 'all', or positions"),
        ([2, 4], CONTROLS, "of 2 cells 1 are controls, and 6 controls are left"),
        ([2], CONTROLS, "two or more"),
        (CONTROLS[1:], CONTROLS, "1 controls are left"),
    ],
)
def test_divisions_that_cannot_be_are_refused(reference_cells, controls, message):
    with pytest.raises(ValueError, match=message):
        divide(reference_cells, controls)
