import numpy as np
import pytest
from scipy import sparse

from scpi.tl._gradient_places import fractions, places


def order(*arguments, **options):
    return np.argsort(places(*arguments, **options), axis=1).tolist()


@pytest.mark.parametrize("matrix", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_fractions_of_cells_of_groups_and_of_what_they_are_compared_with(matrix):
    counts = matrix(np.array([[0, 3.0], [1, 0], [5, 0], [0, 0], [0, 1]]))
    codes = np.array([0, 0, 1, 1, -1])
    found = fractions(counts, codes, 3, None)
    np.testing.assert_allclose(found["pts"], [[0.5, 0.5], [0.5, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(found["pts_rest"][:2], [[0.5, 0.0], [0.5, 0.5]])
    np.testing.assert_allclose(fractions(counts, codes, 3, 1)["pts_rest"], [[0.5, 0.0]] * 3)


def test_genes_of_few_cells_are_last_and_equal_scores_go_by_effect():
    scores = np.array([[3.0, 0.0, 0.0, 1.0, -2.0]])
    effect = np.array([[4.0, 0.1, 0.3, 2.0, -3.0]])
    found_in = {"pts": np.array([[0.05, 1.0, 1.0, 1.0, 0.0]]), "pts_rest": np.array([[0.0, 1.0, 1.0, 0.0, 0.5]])}
    assert order(scores, effect, found_in, min_fraction=0.0, absolute=False) == [[0, 3, 2, 1, 4]]
    assert order(scores, effect, found_in, min_fraction=0.1, absolute=False) == [[3, 2, 1, 4, 0]]
    # Where a gene is lower, the other side has to have it
    assert order(scores, effect, found_in, min_fraction=0.1, absolute=True) == [[4, 3, 2, 1, 0]]
    assert order(scores, effect, found_in, min_fraction=0.6, absolute=True) == [[3, 2, 1, 0, 4]]
