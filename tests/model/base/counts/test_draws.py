from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scpi.model.base.counts._draws import add, thin, within_totals


def thinned(counts, kept, *, seed=0):
    counts = np.asarray(counts, dtype=float)
    return thin(counts, np.full(len(counts), kept), np.zeros(len(counts), dtype=int), np.random.default_rng(seed))


class TestThin:
    @pytest.mark.parametrize(("count", "kept"), [(1, 0.3), (7, 0.1), (7, 0.9), (40, 0.5), (400, 0.01), (400, 0.4)])
    def test_the_counts_are_binomial(self, count, kept):
        found = thinned(np.full(20_000, count), kept)
        expected = stats.binom.pmf(np.arange(count + 1), count, kept)
        observed = np.bincount(found.astype(int), minlength=count + 1) / len(found)
        assert np.abs(observed - expected).max() < 0.01
        assert np.abs(np.cumsum(observed) - np.cumsum(expected)).max() < 0.01

    def test_all_or_nothing_is_kept(self):
        counts = [1.0, 5.0, 300.0]
        np.testing.assert_array_equal(thinned(counts, 1.0), counts)
        np.testing.assert_array_equal(thinned(counts, 0.0), np.zeros(3))

    def test_as_many_are_kept_as_expected(self):
        """Of 100 single counts, half are kept in every draw; of independent draws the number has a sd of 5."""
        assert {float(thinned(np.ones(100), 0.5, seed=seed).sum()) for seed in range(20)} == {50.0}

    def test_genes_are_thinned_by_themselves(self):
        genes = np.repeat([0, 3, 4], [10, 30, 60])
        kept = np.repeat([0.1, 0.5, 1.0], [10, 30, 60])
        found = thin(np.ones(100), kept, genes, np.random.default_rng(0))
        np.testing.assert_array_equal(np.bincount(genes, weights=found, minlength=5), [1, 0, 0, 15, 60])

    def test_which_cells_keep_a_count_is_left_to_chance(self):
        kept = np.mean([thinned(np.ones(10), 0.3, seed=seed) for seed in range(3000)], axis=0)
        np.testing.assert_allclose(kept, 0.3, atol=0.04)

    def test_nothing_is_made_of_nothing(self):
        assert thinned([], 0.5).shape == (0,)


class TestWithinTotals:
    counts = np.array([[90.0, 10.0, 0.0], [3.0, 1.0, 1.0], [0.0, 0.0, 0.0]], dtype=np.float32)

    def test_cells_with_too_many_counts_have_the_largest_total(self):
        matrix = sparse.csr_matrix(self.counts)
        found = within_totals(matrix, np.array([20, 5, 0]), np.random.default_rng(0)).toarray()
        assert found.sum(axis=1).tolist() == [20, 5, 0] and found.dtype == np.float32
        assert found[1].tolist() == [3, 1, 1] and (found <= self.counts).all()
        np.testing.assert_array_equal(matrix.toarray(), self.counts)

    def test_the_counts_are_hypergeometric(self):
        matrix = sparse.csr_matrix(np.repeat(self.counts[:1], 5000, axis=0))
        found = within_totals(matrix, np.full(5000, 20), np.random.default_rng(0)).toarray()[:, 0].astype(int)
        observed = np.bincount(found, minlength=21) / 5000
        np.testing.assert_allclose(observed, stats.hypergeom.pmf(np.arange(21), 100, 90, 20), atol=0.02)


class TestAdd:
    @pytest.mark.parametrize(
        ("mean", "size"), [(0.02, 1.0), (0.5, 0.2), (3.0, 2.0), (20.0, 0.1), (20.0, 50.0), (80.0, 3.0)]
    )
    def test_the_counts_are_negative_binomial(self, mean, size):
        found = add(np.full((4, 10_000), mean), np.full((4, 10_000), size), np.random.default_rng(0)).ravel()
        at = np.arange(int(found.max()) + 1)
        expected = stats.nbinom.cdf(at, size, size / (size + mean))
        observed = np.cumsum(np.bincount(found.astype(int))) / len(found)
        assert np.abs(observed - expected).max() < 0.01

    def test_the_mean_of_a_gene_hardly_varies(self):
        """Independent Poisson draws of mean 0.1 have a standard error of 0.01 over 1,000 cells."""
        found = add(np.full((200, 1000), 0.1), np.full((200, 1000), 1e4), np.random.default_rng(0))
        assert found.mean(axis=1).std() < 0.002

    def test_genes_do_not_depend_on_each_other(self):
        found = add(np.full((300, 500), 0.5), np.full((300, 500), 1.0), np.random.default_rng(0))
        correlation = np.corrcoef(found)[np.triu_indices(300, 1)]
        assert abs(correlation.mean()) < 0.005
        np.testing.assert_allclose(correlation.std(), 1 / np.sqrt(500), rtol=0.1)

    def test_cells_that_expect_nothing_get_nothing(self):
        mean = np.array([[0.0, 5.0, 0.0]])
        found = add(mean, np.ones((1, 3)), np.random.default_rng(0))
        assert found[0, 0] == found[0, 2] == 0


@pytest.mark.parametrize("mean", [1e12, np.inf, np.nan])
def test_a_mean_that_no_cell_can_have_is_refused(mean):
    with pytest.raises(ValueError, match="training did not converge"):
        add(np.array([[1.0, mean]]), np.ones((1, 2)), np.random.default_rng(0))
