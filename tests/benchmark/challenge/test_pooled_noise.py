from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.benchmark._challenge._pooled_noise import TOTAL, pooled_noise, pooled_profile


def by_hand(counts):
    """Jackknife with each cell left out in turn."""
    n = len(counts)
    left = np.stack([pooled_profile(np.delete(counts, row, axis=0).sum(0)) for row in range(n)])
    return (n - 1) / n * ((left - left.mean(0)) ** 2).sum()


@pytest.mark.parametrize(("n_cells", "n_genes", "rate"), [(2, 20, 1.0), (3, 30, 0.2), (12, 50, 0.5), (80, 40, 0.05)])
def test_each_cell_is_left_out_in_turn(n_cells, n_genes, rate):
    rng = np.random.default_rng(n_cells)
    counts = rng.poisson(rate * rng.gamma(0.5, 2.0, (n_cells, 1)) * np.ones(n_genes)).astype(np.float64)
    found = pooled_noise(sparse.csr_matrix(counts))
    assert found == pytest.approx(by_hand(counts), rel=1e-10) and found > 0


@pytest.mark.parametrize("counts", [[[50, 1, 3], [0, 0, 1], [0, 2, 0]], [[5, 0, 3], [0, 0, 0]]], ids=["large", "all"])
def test_a_cell_that_holds_most_counts(counts):
    counts = np.array(counts, dtype=np.float64)
    assert pooled_noise(sparse.csr_matrix(counts)) == pytest.approx(by_hand(counts), rel=1e-10)


def test_one_cell_and_no_count_have_no_noise():
    assert pooled_noise(sparse.csr_matrix([[1.0, 2.0]])) == 0.0
    assert pooled_noise(sparse.csr_matrix((3, 2), dtype=np.float64)) == 0.0
    # Cells that are the same leave the profile as it is
    assert pooled_noise(sparse.csr_matrix(np.tile([1.0, 2.0, 0.0], (4, 1)))) == pytest.approx(0.0, abs=1e-12)


def test_a_profile_is_of_the_sum():
    found = pooled_profile(np.array([[1.0, 3.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [np.log1p(TOTAL * np.array([0.25, 0.75])), [0.0, 0.0]])
