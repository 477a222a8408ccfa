"""Measured conditions, and which of them are left out together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.model.base.calibration._conditions import measure

# Conditions: control, A, B, A+B, B+C; contexts x, y and, without controls, z
MEMBERS = [(), ("A",), ("B",), ("A", "B"), ("B", "C")]


@pytest.fixture
def measured():
    condition = np.array([0, 0, 0, 1, 1, 2, 3, 4, 1, 0, 4])
    context = np.array([0, 0, 1, 0, 0, 1, 1, 0, 2, 1, 0])
    values = np.arange(22.0).reshape(11, 2) ** 2
    # The last two cells are not used
    cells = np.arange(9)
    return measure(sparse.csr_matrix(values), cells, condition[:9], context[:9], condition[:9] == 0, MEMBERS), values


def test_changes_are_against_the_controls_of_the_context(measured):
    found, values = measured
    assert list(zip(found.condition.tolist(), found.context.tolist(), strict=True)) == [(1, 0), (2, 1), (3, 1), (4, 0)]
    controls = values[:2].mean(0), values[2]
    expected = [
        values[3:5].mean(0) - controls[0],
        values[5] - controls[1],
        values[6] - controls[1],
        values[7] - controls[0],
    ]
    np.testing.assert_allclose(found.change, expected)
    assert found.is_combination.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("over", "names", "part", "rows"),
    [
        ("perturbations", ["A", "B", "C"], ["A"], [True, False, True, False]),
        ("perturbations", ["A", "B", "C"], ["B", "C"], [False, True, True, True]),
        ("combinations", [frozenset("AB"), frozenset("BC")], [frozenset("AB")], [False, False, True, False]),
        ("contexts", [0, 1], [1], [False, True, True, False]),
    ],
)
def test_what_is_left_out_together(measured, over, names, part, rows):
    found, _ = measured
    assert found.names(over) == names
    assert found.left_out(over, part).tolist() == rows


def test_the_mean_is_of_what_is_like_it_and_stays(measured):
    found, _ = measured
    out = np.array([True, False, True, False])
    mean = found.mean_without("perturbations", np.array([0, 2]), out)
    np.testing.assert_allclose(mean, found.change[[1, 3]])
    # No condition is in both contexts: the mean of all that stay
    mean = found.mean_without("contexts", np.array([1]), found.context == 1)
    np.testing.assert_allclose(mean, [found.change[[0, 3]].mean(axis=0)])
