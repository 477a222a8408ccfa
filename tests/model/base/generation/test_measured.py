from __future__ import annotations

import numpy as np
import pytest

from scpi.model.base.generation._measured import count_measured, warn_of_evidence

# Donors and compounds of measured cells: 5 of (0, 0), 3 of (0, 1), 2 of (1, 0)
CELLS = np.repeat([[0, 0], [0, 1], [1, 0]], [5, 3, 2], axis=0)
GROUPS = np.array([[0, 1], [1, 1], [2, 1], [0, 1]])
NAMES = ["d0, B", "d1, B", "d2, B", "d0, B"]


def counted(sizes):
    return count_measured(GROUPS, np.array(sizes), CELLS, [0])


def test_groups_are_compared_with_their_own_cells_or_those_of_their_sample():
    found = counted([1, 2, 3, 4])
    assert found.asked.tolist() == [5, 2, 3, 5]
    assert found.measured.tolist() == [3, 0, 0, 3]
    assert found.largest.tolist() == [3, 2, 5, 3]
    assert count_measured(GROUPS, np.ones(4, int), CELLS, []).largest.tolist() == [3, 5, 5, 3]


def test_more_cells_than_were_measured_are_said():
    with pytest.warns(UserWarning) as said:
        warn_of_evidence(counted([1, 20, 5, 2]), NAMES)
    assert len(said) == 2 and said[0].filename == __file__
    assert "more cells than were measured of 1 of 4 groups, such as 20 of 'd1, B'" in str(said[0].message)
    assert "at most 2. Generated cells are not evidence" in str(said[0].message)
    assert "2 of 4 groups of the plan were not measured: 'd1, B', 'd2, B'." in str(said[1].message)


def test_as_many_measured_cells_as_asked_for_need_no_word():
    found = count_measured(GROUPS[:1], np.array([3]), CELLS, [0])
    warn_of_evidence(found, NAMES[:1])
