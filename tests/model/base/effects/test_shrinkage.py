from __future__ import annotations

import numpy as np
import pytest

from scpi.model.base.effects._regression import member_effects
from scpi.model.base.effects._shrinkage import effect_errors, shrink
from scpi.model.base.effects._spread import Spread
from scpi.model.base.prediction._profiles import Profiles


def test_effects_from_one_normal_distribution_have_its_posterior_mean():
    """With the errors equal, the effect times tau^2 / (tau^2 + s^2)."""
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2.0, size=(1, 20_000))
    noisy = true + rng.normal(size=true.shape)
    found = shrink(noisy, np.ones_like(true))
    assert np.sqrt(np.square(found - 0.8 * noisy).mean()) < 0.16
    assert np.square(found - true).mean() == pytest.approx(0.8, abs=0.03)


def test_noise_is_shrunk_to_nothing_and_large_effects_are_kept():
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.5, 2.0, size=(2, 2000))
    effects = rng.normal(size=errors.shape) * errors
    effects[1, :20] = 40.0 * errors[1, :20]
    found = shrink(effects, errors)
    assert np.abs(found[0] / errors[0]).max() < 0.1
    np.testing.assert_allclose(found[1, :20], effects[1, :20], rtol=0.01)
    assert np.abs(found[1, 20:] / errors[1, 20:]).mean() < 0.1


def test_errors_of_genes_differ():
    """Of two equal effects, the one with the smaller error is shrunk less."""
    rng = np.random.default_rng(2)
    errors = np.tile([0.1, 1.0], (1, 500))
    effects = rng.normal(size=(1, 1000)) + errors * rng.normal(size=(1, 1000))
    ratio = (shrink(effects, errors) / effects)[0]
    assert np.median(ratio[::2]) > 0.95 > 0.6 > np.median(ratio[1::2])


def test_effects_without_noise_stay_and_the_sign_does_not_matter():
    effects = np.array([[1.0, 0.0, -2.0, 0.5, 0.0]])
    np.testing.assert_array_equal(shrink(effects, np.zeros_like(effects)), effects)
    errors = np.array([[0.5, 0.5, 0.5, 0.0, 0.0]])
    np.testing.assert_allclose(shrink(-effects, errors), -shrink(effects, errors))
    np.testing.assert_allclose(shrink(1e6 * effects, 1e6 * errors), 1e6 * shrink(effects, errors))


def test_errors_are_those_of_simulated_means():
    """Two contexts, the second without controls; single perturbations and a combination."""
    rng = np.random.default_rng(4)
    design, context = np.array([[1, 0], [0, 2], [1, 1], [1, 0.0]]), np.array([0, 0, 0, 1])
    control = np.array([[1.0, 2.0, 3.0, 0.5], [np.nan] * 4])
    profiles = Profiles(control, rng.normal(size=(4, 4)), context, design, np.array([4, 5, 6, 7]))
    spread = Spread(rng.uniform(1, 4, (2, 4)), rng.uniform(1, 4, (4, 4)), np.ones(4), np.array([9, 0]))
    spread.treated[:, 2] = spread.control[:, 2] = 0.0
    slope = (rng.uniform(0.5, 2.0, size=(4, 4)), rng.uniform(0.5, 2.0, size=(2, 4)))
    errors = effect_errors(profiles, spread, slope=slope)
    draws = []
    for _ in range(4000):
        noise = rng.normal(size=(4, 4)) * slope[0] * np.sqrt(spread.treated / profiles.n_cells[:, None])
        of_control = rng.normal(size=4) * slope[1][0] * np.sqrt(spread.control[0] / 9)
        draws.append(member_effects(design, noise - of_control, profiles.n_cells))
    np.testing.assert_allclose(errors, np.std(draws, axis=0), rtol=0.05)
