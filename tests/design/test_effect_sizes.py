from __future__ import annotations

import numpy as np
import pytest

from scpi.design._effect_sizes import EffectSizes, learn_sizes

SCALES = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])


@pytest.fixture(scope="module")
def simulated():
    """A tenth of the genes of the first group change with a standard deviation of 0.8; none of the second does."""
    rng = np.random.default_rng(0)
    truth = np.zeros((2, 4000))
    truth[0] = 0.8 * rng.normal(size=4000) * (rng.random(4000) < 0.1)
    error = rng.uniform(0.05, 0.3, truth.shape)
    return truth, truth + error * rng.normal(size=truth.shape), error**2


def test_draws_vary_as_the_truth_does(simulated):
    truth, estimate, variance = simulated
    sizes = learn_sizes(estimate, variance, np.random.default_rng(1))
    drawn = sizes.draw(np.random.default_rng(2))
    # Not as the estimates, which noise makes larger
    for threshold in (0.35, 0.7):
        of_truth, of_draws, of_estimates = (
            (np.abs(values[0]) >= threshold).mean() for values in (truth, drawn, estimate)
        )
        assert abs(of_draws - of_truth) < 0.006
        assert threshold > 0.35 or of_estimates > 1.1 * of_truth
    assert sizes.weights[0, 0] < 0.96
    assert sizes.weights[1, 0] + sizes.weights[1, 1] > 0.95
    assert (np.abs(drawn[1]) >= 0.35).mean() < 0.002


def test_draws_have_the_moments_of_the_posterior():
    weights = np.zeros((1, 8))
    weights[0, [0, 4]] = 0.3, 0.7
    estimate, variance = np.full((1, 100_000), 0.5), np.full((1, 100_000), 0.09)
    drawn = EffectSizes(estimate, variance, weights).draw(np.random.default_rng(0))[0]
    tau2 = SCALES[4] ** 2
    densities = [np.exp(-(0.5**2) / (2 * (0.09 + t))) / np.sqrt(0.09 + t) for t in (0.0, tau2)]
    null = 0.3 * densities[0] / (0.3 * densities[0] + 0.7 * densities[1])
    np.testing.assert_allclose((drawn == 0).mean(), null, atol=0.005)
    changed = drawn[drawn != 0]
    np.testing.assert_allclose(changed.mean(), 0.5 * tau2 / (tau2 + 0.09), atol=0.005)
    np.testing.assert_allclose(changed.var(), tau2 * 0.09 / (tau2 + 0.09), rtol=0.02)


def test_estimates_of_noise_alone_are_no_effects():
    rng = np.random.default_rng(0)
    sizes = learn_sizes(0.2 * rng.normal(size=(3, 1000)), np.full((3, 1000), 0.04), rng)
    drawn = sizes.draw(rng)
    assert np.square(drawn).mean() < 0.1 * 0.04
