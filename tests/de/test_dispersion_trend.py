from __future__ import annotations

import numpy as np
import pytest

from scpi.de._dispersion_trend import _weighted_median, shrink_to_trend

MEAN = np.exp(np.linspace(-3.0, 3.0, 400))
TREND = 0.2 + 0.3 / (1.0 + MEAN)


def noise(size):
    """Estimates of the same precision at every overdispersion."""
    return lambda dispersion: np.full(len(dispersion), size**2)


def test_estimates_without_spread_come_to_lie_on_the_trend():
    rng = np.random.default_rng(0)
    found = shrink_to_trend(TREND + 0.05 * rng.normal(size=400), MEAN, noise(0.05))
    assert np.sqrt(np.mean((found - TREND) ** 2)) < 0.01


def test_precise_estimates_are_kept():
    rng = np.random.default_rng(1)
    true = TREND * (1.0 + 0.4 * rng.normal(size=400)).clip(0.1)
    np.testing.assert_allclose(shrink_to_trend(true, MEAN, noise(1e-4)), true, atol=1e-4)


def test_the_guess_is_better_than_the_estimates_and_than_the_trend():
    rng = np.random.default_rng(2)
    true = TREND * (1.0 + 0.3 * rng.normal(size=400)).clip(0.1)
    estimate = true + 0.1 * rng.normal(size=400)
    found = shrink_to_trend(estimate, MEAN, noise(0.1))
    errors = [np.mean((values - true) ** 2) for values in (found, estimate, TREND)]
    assert errors[0] < 0.8 * min(errors[1:])


def test_a_gene_far_above_keeps_its_estimate_and_does_not_pull_the_others():
    rng = np.random.default_rng(3)
    estimate = TREND + 0.05 * rng.normal(size=400)
    outlier = estimate.copy()
    outlier[200] = 9.0
    found, without = shrink_to_trend(outlier, MEAN, noise(0.05)), shrink_to_trend(estimate, MEAN, noise(0.05))
    assert found[200] == pytest.approx(9.0)
    np.testing.assert_allclose(np.delete(found, 200), np.delete(without, 200), atol=0.01)


def test_a_gene_without_an_estimate_has_that_of_the_trend():
    rng = np.random.default_rng(4)
    estimate = TREND + 0.02 * rng.normal(size=400)
    estimate[[0, 150]] = np.nan
    found = shrink_to_trend(estimate, MEAN, noise(0.02))
    np.testing.assert_allclose(found[[0, 150]], TREND[[0, 150]], atol=0.02)
    assert (shrink_to_trend(np.full(400, np.nan), MEAN, noise(0.02)) == 0).all()


def test_overdispersion_is_not_negative():
    estimate = np.full(50, -0.3)
    assert (shrink_to_trend(estimate, MEAN[:50], noise(0.1)) == 0).all()


def test_the_median_under_weights():
    values = np.array([5.0, 1.0, 3.0])
    weights = np.array([[1.0, 1.0, 1.0], [4.0, 1.0, 1.0], [0.0, 2.0, 1.0]])
    assert _weighted_median(values, weights).tolist() == [3.0, 5.0, 1.0]
