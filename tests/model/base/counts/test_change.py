from __future__ import annotations

import numpy as np
from scipy import stats

from scpi.model.base.counts._cells import Cells
from scpi.model.base.counts._change import changed_cells, changed_counts, expected_counts
from scpi.model.base.counts._match import Change


class TestExpectedCounts:
    def test_by_hand(self):
        ratio = np.log([[0.25, 3.0, 1.0]])
        mean, theta = np.array([[2.0, 2.0, 2.0]]), np.array([1.0, 4.0, 1.0])
        found = expected_counts(np.array([[8.0, 1.0, 5.0]]), ratio, mean, theta)
        # A quarter is kept; added is twice the rate, of which prior (mean 2) and the count (1) both tell; no change
        np.testing.assert_allclose(found, [[2.0, 1.0 + 2.0 * 2.0 * (1.0 + 4.0) / (2.0 + 4.0), 5.0]], rtol=1e-6)


class TestChangedCounts:
    def test_draws_have_these_expectations_and_keep_what_cannot_rise_out_of_nothing(self):
        counts = np.tile([[8.0, 1.0, 0.0]], (20_000, 1))
        ratio, mean = np.log([[0.25, 3.0, 0.5]]) * np.ones((20_000, 1)), np.full((20_000, 3), 2.0)
        theta = np.array([1.0, 4.0, 1.0])
        drawn = changed_counts(counts, ratio, mean, theta, rng=np.random.default_rng(0)).toarray()
        expected = expected_counts(counts, ratio, mean, theta)[0]
        np.testing.assert_allclose(drawn.mean(0), expected, atol=0.03)
        # Thinning 8 counts to a quarter is binomial; none become none
        np.testing.assert_allclose(drawn[:, 0].var(), 8 * 0.25 * 0.75, rtol=0.05)
        assert (drawn[:, 2] == 0).all() and (drawn[:, 1] >= 1).all()
        assert (drawn == np.round(drawn)).all()

    def test_negative_binomial_counts_stay_so_with_the_new_mean_and_the_same_overdispersion(self):
        rng, theta, mean = np.random.default_rng(0), 2.0, 3.0
        before = rng.negative_binomial(theta, theta / (theta + mean), 200_000)[:, None]
        ones = np.ones((len(before), 1))
        for factor in (0.3, 2.0, 5.0):
            found = changed_counts(before, np.log(factor) * ones, mean * ones, np.array([theta]), rng=rng).toarray()
            at = np.arange(200)
            expected = stats.nbinom.cdf(at, theta, theta / (theta + factor * mean))
            observed = np.searchsorted(np.sort(found[:, 0]), at, side="right") / len(found)
            assert np.abs(observed - expected).max() < 0.004

    def test_the_same_generator_gives_the_same_counts(self):
        counts = np.random.default_rng(0).poisson(1.0, (50, 20)).astype(float)
        ratio, mean = np.full(counts.shape, 0.3), np.ones(counts.shape)
        one, other = (changed_counts(counts, ratio, mean, np.ones(20), rng=np.random.default_rng(1)) for _ in range(2))
        assert (one != other).nnz == 0


class TestChangedCells:
    def test_only_genes_that_change_are_drawn(self):
        counts = np.random.default_rng(0).poisson(2.0, (100, 3)).astype(float)
        cells = Cells.of_counts(counts, np.log1p(counts))
        change = Change(np.array([1.0, 0.0, 1.0]), np.array([0.0, 0.0, 2.0]))
        found = changed_cells(cells, change, np.full(3, 1e4), rng=np.random.default_rng(0)).toarray()
        np.testing.assert_array_equal(found[:, 0], counts[:, 0])
        assert (found[:, 1] == 0).all() and (found[:, 2] >= counts[:, 2]).all()

    def test_cells_without_counts_stay_empty(self):
        counts = np.random.default_rng(0).poisson(2.0, (100, 3)).astype(float)
        counts[7] = 0.0
        cells = Cells.of_counts(counts, np.log1p(counts / np.maximum(counts.sum(1, keepdims=True), 1) * 5))
        change = Change(np.ones(3), np.full(3, 4.0))
        found = changed_cells(cells, change, np.ones(3), rng=np.random.default_rng(0)).toarray()
        assert (found[7] == 0).all() and found.sum() > counts.sum()
