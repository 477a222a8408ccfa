from __future__ import annotations

import numpy as np
import pytest

from scpi._scoring._controls import divide_controls

CONTROLS = np.arange(10, 21)


def divide(given):
    return divide_controls(CONTROLS, given, np.random.default_rng(0))


def test_halves_share_no_cell():
    start, reference = divide("apart")
    assert (len(start), len(reference)) == (5, 6)
    np.testing.assert_array_equal(np.sort(np.concatenate([start, reference])), CONTROLS)


def test_all_or_some_can_be_the_reference():
    for part in divide("all"):
        np.testing.assert_array_equal(part, CONTROLS)
    start, reference = divide([12, 11, 12])
    np.testing.assert_array_equal(reference, [11, 12])
    np.testing.assert_array_equal(start, np.setdiff1d(CONTROLS, [11, 12]))


@pytest.mark.parametrize("given", [[1, 2], [11], CONTROLS[1:], []])
def test_cells_that_cannot_be_the_reference(given):
    with pytest.raises(ValueError, match="`reference_cells` must name control cells"):
        divide(given)


def test_words_and_numbers_are_checked():
    with pytest.raises(ValueError, match="must be 'apart', 'all', or positions of control cells, but is 'half'"):
        divide("half")
    with pytest.raises(ValueError, match="at least four control cells, got 3"):
        divide_controls(CONTROLS[:3], "apart", np.random.default_rng(0))
