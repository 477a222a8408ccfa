from __future__ import annotations

import numpy as np
import pytest

from scpi.pl._order import similar


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
