from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.model.base.prediction._profiles import Profiles, take_profiles
from scpi.model.base.prediction._regression import member_effects
from scpi.model.base.prediction._shrinkage import effect_errors, shrink, variance_within


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


@pytest.fixture
def cells():
    """Two contexts, the second without controls; single perturbations and a combination."""
    rng = np.random.default_rng(3)
    design = np.array([[0, 0], [1, 0], [0, 2], [1, 1]])
    context, condition = np.repeat([[0, 0], [0, 1], [0, 2], [0, 3], [1, 1]], [9, 4, 5, 6, 7], axis=0).T
    values = rng.poisson(2.0, size=(len(context), 4)).astype(np.float32)
    rows = rng.permutation(40)[: len(context)]
    x = np.zeros((40, 4), dtype=np.float32)
    x[rows] = values
    profiles = take_profiles(
        x, rows, condition=condition, context=context, is_control=condition == 0, design=design, n_contexts=2
    )
    return x, rows, values, context, condition, profiles


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_the_variance_is_pooled_over_contexts_and_conditions(cells, kind):
    x, rows, values, context, condition, profiles = cells
    groups = [values[(context == c) & (condition == k)] for c, k in {*zip(context, condition, strict=True)}]
    expected = sum(((own - own.mean(0)) ** 2).sum(0) for own in groups) / (len(values) - len(groups))
    found = variance_within(kind(x), rows, profiles, n_controls=np.array([9, 0]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_errors_are_those_of_simulated_means(cells):
    profiles: Profiles = cells[-1]
    rng, variance, n_controls = np.random.default_rng(4), np.array([1.0, 4.0, 0.0, 9.0]), np.array([9, 0])
    slope = (rng.uniform(0.5, 2.0, size=profiles.treated.shape), rng.uniform(0.5, 2.0, size=(2, 4)))
    slope[1][1] = slope[1][0]
    errors = effect_errors(profiles, variance, n_controls=n_controls, slope=slope)
    draws = []
    for _ in range(4000):
        noise = rng.normal(size=profiles.treated.shape) * slope[0] * np.sqrt(variance / profiles.n_cells[:, None])
        control = rng.normal(size=4) * slope[1][0] * np.sqrt(variance / 9)
        draws.append(member_effects(profiles.design, noise - control, profiles.n_cells))
    np.testing.assert_allclose(errors, np.std(draws, axis=0), rtol=0.05)
