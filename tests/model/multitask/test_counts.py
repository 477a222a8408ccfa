from __future__ import annotations

import numpy as np

from scpi.model.multitask._counts import changed_counts


class TestChange:
    def test_expectations(self):
        ratio = np.log([[0.25, 3.0, 1.0]])
        mean, theta = np.array([[2.0, 2.0, 2.0]]), np.array([1.0, 4.0, 1.0])
        found = changed_counts(np.array([[8.0, 1.0, 5.0]]), ratio, mean, theta, rng=None)
        # A quarter is kept; added is twice the rate, of which prior (mean 2) and the count (1) both tell; no change
        np.testing.assert_allclose(found, [[2.0, 1.0 + 2.0 * 2.0 * (1.0 + 4.0) / (2.0 + 4.0), 5.0]], rtol=1e-6)

    def test_draws_have_these_expectations_and_keep_what_cannot_rise_out_of_nothing(self):
        counts = np.tile([[8.0, 1.0, 0.0]], (20_000, 1))
        ratio, mean, theta = np.log([[0.25, 3.0, 0.5]]), np.full((1, 3), 2.0), np.array([1.0, 4.0, 1.0])
        drawn = changed_counts(counts, ratio, mean, theta, rng=np.random.default_rng(0))
        expected = changed_counts(counts, ratio, mean, theta, rng=None)[0]
        error = drawn.std(0) / np.sqrt(len(drawn))
        assert (np.abs(drawn.mean(0) - expected) <= 4 * error).all()
        # Thinning 8 counts to a quarter is binomial; none become none
        np.testing.assert_allclose(drawn[:, 0].var(), 8 * 0.25 * 0.75, rtol=0.05)
        assert (drawn[:, 2] == 0).all() and (drawn[:, 1] >= 1).all()
        assert (drawn == np.round(drawn)).all()

    def test_thinning_and_adding_keep_the_family_of_gamma_poisson_counts(self):
        """Cells whose expression doubles have the counts of cells that were measured at twice the expression."""
        rng, theta, mean = np.random.default_rng(0), 2.0, 3.0
        rates = rng.gamma(theta, mean / theta, 200_000)
        before, after = rng.poisson(rates), rng.poisson(2 * rates)
        ones = np.ones((len(before), 1))
        found = changed_counts(before[:, None], np.log(2.0) * ones, mean * ones, np.array([theta]), rng=rng)
        np.testing.assert_allclose(found.mean(), after.mean(), rtol=0.01)
        # The rate of a cell is known up to its count, so that a little of the variance is missing
        assert 0.8 * after.var() < found.var() < 1.02 * after.var()
        assert abs((found == 0).mean() - (after == 0).mean()) < 0.03
