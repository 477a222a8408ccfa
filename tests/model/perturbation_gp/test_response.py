from __future__ import annotations

import numpy as np
import pytest

from scpi.model.perturbation_gp._response import take_response

SHAPES = {"wide": (30, 200), "tall": (200, 40)}


def planted(shape, rank, noise, seed=0):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(shape[1], rank)))[0].T
    signal = rng.normal(size=(shape[0], rank)) * 10
    return signal @ axes + noise * rng.normal(size=shape), axes


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_components_that_stand_out_of_noise_are_kept(shape):
    effects, axes = planted(shape, 3, 0.3)
    found = take_response(effects, np.zeros(shape), exponent=0.0)
    assert found.axes.shape == (3, shape[1])
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.linalg.svd(found.axes @ axes.T, compute_uv=False), 1, atol=1e-2)
    np.testing.assert_allclose(found.mean, effects.mean(0))
    np.testing.assert_allclose(found.scores, (effects - effects.mean(0)) @ found.axes.T, atol=1e-9)
    np.testing.assert_allclose(found.importance.sum(), 1)
    assert not found.noise.any()


def test_sizes_are_taken_out_by_a_power():
    effects, _ = planted((30, 100), 2, 0.1)
    effects[0] *= 50
    squared = np.square(effects - effects.mean(0)).mean(1)
    found = take_response(effects, np.zeros(effects.shape))
    np.testing.assert_allclose(found.size**4 / (found.size**4).mean(), squared / squared.mean(), rtol=1e-9)
    np.testing.assert_allclose(np.log(found.size).mean(), 0, atol=1e-12)


def test_noise_of_the_cells_is_relative_to_the_variance_of_the_perturbations():
    rng = np.random.default_rng(0)
    effects, _ = planted((60, 100), 2, 0.0)
    errors = np.full(effects.shape, 0.5)
    errors[:5] = 20.0
    noisy = effects + errors * rng.normal(size=effects.shape)
    found = take_response(noisy, errors, exponent=0.0)
    assert (found.noise[:5] > 10 * found.noise[5:].max()).all()
    # The variance of both components is 10^2
    np.testing.assert_allclose(found.noise[5:].mean(), 0.25 / 100, rtol=0.3)


def test_noisy_perturbations_do_not_choose_the_components():
    effects, axes = planted((40, 150), 2, 0.05)
    rng = np.random.default_rng(1)
    errors = np.full(effects.shape, 0.05)
    errors[:3] = 30.0
    found = take_response(effects + errors * rng.normal(size=effects.shape), errors, exponent=0.0)
    assert np.linalg.svd(found.axes @ axes.T, compute_uv=False).min() > 0.99


def test_equal_effects_have_no_components():
    assert take_response(np.ones((5, 3)), np.zeros((5, 3))) is None
    assert take_response(np.ones((1, 3)), np.zeros((1, 3))) is None


def test_components_that_do_not_stand_out_are_kept_where_asked():
    effects, _ = planted((20, 60), 2, 0.3)
    assert len(take_response(effects, np.zeros(effects.shape)).axes) < 10
    assert len(take_response(effects, np.zeros(effects.shape), least=10).axes) == 10
    # The rows are centred
    assert len(take_response(effects, np.zeros(effects.shape), least=50).axes) == 19
