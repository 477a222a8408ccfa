from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scpi.tl._impact._unit_sets import (
    Candidates,
    candidates,
    choose_in_turn,
    leading_pval,
    match_units,
    mostly_lowering,
)


def test_more_units_than_sets_and_the_reverse():
    assert match_units(np.array([[3.0], [5.0]]), one_to_one=True).tolist() == [-1, 0]
    assert match_units(np.array([[3.0, 4.0]]), one_to_one=True).tolist() == [1]
    assert match_units(np.array([[3.0, 4.0], [1.0, 2.0], [0.0, -1.0]]), one_to_one=False).tolist() == [1, 1, -1]


def test_a_set_of_the_other_direction_is_no_candidate():
    z, pval = np.array([[2.0, -3.0]]), np.array([[0.04, 0.002]])
    raised, lowered, both = (candidates(z, z, pval, sign) for sign in (1, -1, None))
    np.testing.assert_allclose(raised.pval_adj, [[0.08, 1]])
    np.testing.assert_allclose(lowered.pval_adj, [[1, 0.004]])
    np.testing.assert_allclose(both.pval_adj, [[0.04, 0.004]])
    assert raised.significant(1.0).tolist() == [[True, False]]
    assert lowered.best(0.05).tolist() == [1]
    assert (raised.margin(np.array([0]))[0], both.margin(np.array([1]))[0]) == (2, 1)


def test_the_next_candidates_name_what_the_first_leave():
    def side(score):
        return Candidates(np.array(score, float), np.full(np.shape(score), 0.01))

    first, second = side([[5, 0], [0, 0], [4, 0]]), side([[0, 9], [7, 8], [9, 9]])
    found, of_side = choose_in_turn([first, second], 0.05, one_to_one=False)
    assert (found.tolist(), of_side.tolist()) == ([0, 1, 0], [0, 1, 0])
    found, of_side = choose_in_turn([first, second], 0.05, one_to_one=True)
    # The first set is taken, and the second one is of the unit with the higher score
    assert (found.tolist(), of_side.tolist()) == ([0, -1, 1], [0, 0, 1])
    assert choose_in_turn([first], 0.001, one_to_one=False)[0].tolist() == [-1, -1, -1]


def test_units_that_lower_three_times_what_they_raise():
    raised = Candidates(np.array([[2.0, 4, -1], [2, 4, -1], [2, 0, 4]]), np.array([[0.01, 0.5, 1]] * 3))
    lowered = Candidates(np.array([[-2.0, -4, 6], [-2, -4, 5.9], [-2, 0, -4]]), np.array([[1, 1, 0.01]] * 3))
    # Not significant is the larger of the sets that are raised
    found = mostly_lowering(raised, lowered, 0.05)
    assert found.tolist() == [True, False, False]
    np.testing.assert_array_equal(raised.without(found).score, [[0, 0, 0], [2, 4, -1], [2, 0, 4]])


@pytest.mark.parametrize("non_negative", [True, False])
def test_leading_genes_by_the_hypergeometric_distribution(non_negative):
    scores = np.array([[5.0, 4, 3, 2, 1, -1, -2, -3, -9, 0]]).T
    membership = sparse.csr_matrix(np.array([[1, 1, 0, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1, 1, 0]]).T)
    found = leading_pval(scores, membership, np.array([[2.0, -2.0]]), 3, non_negative=non_negative)
    # Two of the first three genes of ten, of which three are in the set; then both of two, or one where genes that are
    # raised are among the three that are changed most
    np.testing.assert_allclose(found, [[22 / 120, (64 if non_negative else 8) / 120]])
    # A direction that the impact does not have is no question; fewer genes lead than are asked for
    other = leading_pval(scores, membership, np.array([[2.0, 0.0]]), 100, non_negative=non_negative)
    np.testing.assert_allclose(other, [[stats.hypergeom.sf(2, 10, 3, 5), 1]])


def test_pvalues_of_leading_genes_are_valid_where_sets_are_random():
    rng = np.random.default_rng(0)
    scores, z = rng.normal(size=(400, 10)), rng.normal(size=(10, 200))
    membership = sparse.csr_matrix((rng.random((400, 200)) < 0.1).astype(int))
    pval = leading_pval(scores, membership, z, 20, non_negative=True)
    for level in (0.01, 0.05, 0.2, 0.5):
        assert (pval <= level).mean() <= level + 0.01
