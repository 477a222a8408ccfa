from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from scpi.datasets._splat_draw import (
    draw_counts,
    draw_factors,
    drop_counts,
    log2_against_others,
    of_groups,
    probabilities,
)


def test_a_fraction_of_the_factors_goes_up_or_down():
    n = 20_000
    factors = draw_factors(n, (0.3, 0.25, 0.5, 0.4), np.random.default_rng(0))
    changed = factors != 1
    assert np.abs(changed.mean() - 0.3) < 5 * np.sqrt(0.3 * 0.7 / n)
    assert np.abs((factors[changed] < 1).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / changed.sum())
    # The size is that of a normal on the scale of the logarithm, folded at zero
    size = np.abs(np.log(factors[changed]))
    assert stats.kstest(size, stats.foldnorm(0.5 / 0.4, scale=0.4).cdf).pvalue > 1e-3


def test_counts_have_the_mean_and_the_variance_of_the_model():
    expected = np.tile([0.0, 0.5, 4.0, 60.0], (40_000, 1))
    mean, counts = draw_counts(expected, 0.2, np.array([1.0]), np.random.default_rng(1))
    assert not counts[:, 0].any() and not mean[:, 0].any()
    # Gamma of variance (b sqrt(m) + 1)^2 m around m, then Poisson
    variance = expected[0] * (0.2 * np.sqrt(expected[0]) + 1.0) ** 2
    np.testing.assert_allclose(mean.mean(axis=0), expected[0], rtol=0.04)
    np.testing.assert_allclose(mean.var(axis=0), variance, rtol=0.06)
    np.testing.assert_allclose(counts.var(axis=0), variance + expected[0], rtol=0.06)


def test_changes_are_against_the_weighted_mean_of_the_other_groups():
    factor, prob = np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 8.0]]), np.array([0.5, 0.25, 0.25])
    found = log2_against_others(factor, prob)
    np.testing.assert_array_equal(found[:, 0], 0.0)
    others = [(4 + 8) / 2, (0.5 * 2 + 0.25 * 8) / 0.75, (0.5 * 2 + 0.25 * 4) / 0.75]
    np.testing.assert_allclose(found[:, 1], np.log2(factor[:, 1] / others))
    assert np.isnan(log2_against_others(factor[:1], np.ones(1))).all()


def test_counts_are_lost_by_the_logistic_curve_of_their_mean():
    mean = np.repeat([[0.0, 1.0, np.e**2]], 20_000, axis=0)
    counts = np.full(mean.shape, 7)
    drop_counts(counts, mean, 1.0, -1.5, np.random.default_rng(2))
    assert set(np.unique(counts)) == {0, 7}
    expected = [1.0, special.expit(1.5), special.expit(-1.5)]
    np.testing.assert_allclose((counts == 0).mean(axis=0), expected, atol=0.02)


def test_what_may_be_asked_for():
    np.testing.assert_allclose(probabilities([0.2, 0.8 + 1e-12], "p").sum(), 1.0, rtol=1e-15)
    for wrong in ([0.5, 0.6], [0.0, 1.0], [[1.0]]):
        with pytest.raises(ValueError, match="`p` must be probabilities above 0 that sum to 1"):
            probabilities(wrong, "p")
    assert of_groups(2.0, 3, "x").tolist() == [2.0] * 3
    assert of_groups([1, 2], 2, "x").tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="one for each of the 3 groups"):
        of_groups([1.0, 2.0], 3, "x")
