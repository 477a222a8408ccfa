from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.de._depth_sums import depth_sums


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(1.0, size=(9_000, 5))


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_sums_are_those_of_the_groups(counts, convert):
    codes = np.arange(9_000) % 4 - 1
    found, depth = depth_sums(convert(counts), codes, 3)
    np.testing.assert_array_equal(depth, counts.sum(axis=1))
    for group in range(3):
        rows = counts[codes == group]
        of_rows = depth[codes == group]
        np.testing.assert_array_equal(found.total[group], rows.sum(axis=0))
        np.testing.assert_array_equal(found.squares[group], (rows**2).sum(axis=0))
        np.testing.assert_array_equal(found.cross[group], of_rows @ rows)
        np.testing.assert_array_equal(found.depth[group], [(of_rows**power).sum() for power in (1, 2, 3)])
        rate = rows.sum(axis=0) / of_rows.sum()
        np.testing.assert_allclose(found.residual[group], ((rows - of_rows[:, None] * rate) ** 2).sum(axis=0))


def test_sums_are_added_subtracted_and_split(counts):
    codes, given = np.arange(9_000) % 4, np.ones(9_000)
    found, depth = depth_sums(counts, codes, 4, depth=given)
    assert depth is given
    first, second = found.split(2)
    np.testing.assert_array_equal(first.total, found.total[:2])
    np.testing.assert_array_equal((first + second).total, found.total[:2] + found.total[2:])
    np.testing.assert_array_equal((first + second - second).squares, first.squares)


def test_a_group_without_cells_has_rate_zero():
    found, _ = depth_sums(np.ones((3, 2)), np.array([0, 0, 2]), 3)
    np.testing.assert_array_equal(found.rate, [[0.5, 0.5], [0.0, 0.0], [0.5, 0.5]])
    np.testing.assert_array_equal(found.residual, 0.0)
