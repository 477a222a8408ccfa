from __future__ import annotations

import numpy as np

from scpi.design._changed_counts import multiply_rates

N = 60_000


def test_a_negative_binomial_stays_one_with_another_mean():
    rng = np.random.default_rng(0)
    mean, size = 3.0, 2.0
    counts = rng.poisson(rng.gamma(size, mean / size, (N, 3))).astype(float)
    ratio = np.tile([0.4, 1.0, 2.5], (N, 1))
    changed = multiply_rates(counts, ratio, np.full((N, 3), mean), np.full(3, size), rng)
    expected = mean * ratio[0]
    np.testing.assert_allclose(changed.mean(axis=0), expected, rtol=0.02)
    np.testing.assert_allclose(changed.var(axis=0), expected + expected**2 / size, rtol=0.05)
    # A cell keeps its place among the others, and a gene that does not change its counts
    assert np.corrcoef(counts[:, 2], changed[:, 2])[0, 1] > 0.8
    np.testing.assert_array_equal(changed[:, 1], counts[:, 1])


def test_counts_without_a_mean_stay():
    rng = np.random.default_rng(0)
    zeros = np.zeros((5, 2))
    np.testing.assert_array_equal(multiply_rates(zeros, np.full((5, 2), 9.0), zeros, np.ones(2), rng), zeros)
