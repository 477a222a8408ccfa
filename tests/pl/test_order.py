from __future__ import annotations

import numpy as np
import pytest

from scpi.pl._order import scale_columns, similar, union


def test_like_rows_stand_side_by_side():
    rng = np.random.default_rng(0)
    kinds = rng.permutation(np.repeat(np.arange(5), 6))
    rows = 10.0 * kinds[:, None] + rng.normal(size=(30, 4))
    order = similar(rows)
    assert sorted(order) == list(range(30))
    # Each kind is one stretch
    assert (np.diff(kinds[order]) != 0).sum() == 4


def test_points_on_a_line_come_in_their_order():
    x = np.random.default_rng(1).permutation(np.arange(20.0))[:, None]
    found = x[similar(x)].ravel()
    assert found.tolist() in (sorted(found), sorted(found, reverse=True))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_rows_stay(n):
    assert similar(np.ones((n, 3))).tolist() == list(range(n))


def test_missing_values_count_as_zero_and_many_rows_take_no_time():
    rows = np.array([[0.0], [9.0], [np.nan], [9.1]])
    order = similar(rows).tolist()
    assert abs(order.index(0) - order.index(2)) == abs(order.index(1) - order.index(3)) == 1
    assert sorted(similar(np.random.default_rng(2).normal(size=(500, 3)))) == list(range(500))


def test_members_of_several_groups_are_listed_once():
    assert union([["a", "b"], ["b", "c"], [], ["a"]]) == (["a", "b", "c"], [0, 2, 3, 3])
    assert union([]) == ([], [])


def test_columns_are_scaled_one_by_one_or_in_blocks():
    matrix = np.array([[1.0, -4.0, 0.0, np.nan], [-2.0, 2.0, 0.0, 5.0]])
    np.testing.assert_array_equal(scale_columns(matrix), [[0.5, -1.0, 0.0, np.nan], [-1.0, 0.5, 0.0, 1.0]])
    np.testing.assert_array_equal(scale_columns(matrix, 2), [[0.25, -1.0, 0.0, np.nan], [-0.5, 0.5, 0.0, 1.0]])
