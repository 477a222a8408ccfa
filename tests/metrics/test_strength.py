from __future__ import annotations

import numpy as np
import pytest

from scpi.metrics._strength import check_k, strength, strengths, top

SCORES = np.array([[3.0, -4.0, 0.0, 1.0], [-1.0, -1.0, 2.0, 2.0]])


def test_sizes_rank_genes_in_either_direction_and_zeros_are_not_ranked():
    np.testing.assert_array_equal(strength(SCORES, absolute=False), SCORES)
    np.testing.assert_array_equal(strength(SCORES, absolute=True), [[3, 4, np.nan, 1], [1, 1, 2, 2]])


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (1, [[0, 1, 0, 0], [0, 0, 1, 0]]),  # of equal ones the first
        (2, [[1, 1, 0, 0], [0, 0, 1, 1]]),
        (4, [[1, 1, 0, 1], [1, 1, 1, 1]]),  # a gene without a rank is never among them
        (9, [[1, 1, 0, 1], [1, 1, 1, 1]]),
        (np.array([3, 0]), [[1, 1, 0, 1], [0, 0, 0, 0]]),
    ],
)
def test_the_strongest_of_each_row(k, expected):
    np.testing.assert_array_equal(top(strength(SCORES, absolute=True), k), np.array(expected, dtype=bool))


def test_one_vector_has_one_row():
    np.testing.assert_array_equal(top(np.array([1.0, np.nan, 5.0]), 2), [True, False, True])


def test_what_is_no_ranking_is_refused():
    with pytest.raises(ValueError, match=r"conditions x genes, but have shape \(2, 0\)"):
        strength(np.ones((2, 0)), absolute=True)
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        strengths([1, 2], [1, 2, 3], absolute=False)
    check_k(None)
    with pytest.raises(ValueError, match="`k` must be at least 1, but is 0"):
        check_k(0)
