"""Derivatives under noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.attribution import AttributionTarget, attribute_cells

SETTINGS = {"method": "smoothgrad"}


def test_noise_makes_no_difference_to_a_linear_function(linear, counts):
    weight, target = linear
    found = attribute_cells(target, counts, "class_1", **SETTINGS)
    np.testing.assert_allclose(found.values, np.broadcast_to(weight[:, 1], found.values.shape), atol=1e-5)


def test_little_noise_gives_the_gradient(smooth_network, make_target, counts):
    target = make_target(smooth_network, projected=True)
    found = attribute_cells(target, counts, "class_1", **SETTINGS, noise=1e-4)
    np.testing.assert_allclose(found.values, attribute_cells(target, counts, "class_1").values, atol=1e-3)


@pytest.mark.parametrize("projected", [False, True])
def test_the_noise_has_the_given_deviation(projected):
    """The derivative of u^2/2 is u: of the projection of noise, whose covariance is that of the weights."""
    weight = torch.tensor([[1.0, 2.0], [0.0, 1.0], [2.0, 0.0]])

    def half_squares(u):
        return u**2 / 2

    target = AttributionTarget(
        lambda x: half_squares(x @ weight),
        lambda x: x,
        ["a", "b"],
        kind="logit",
        projection=weight if projected else None,
        head=half_squares if projected else None,
    )
    x = np.zeros((40_000, 3))
    found = attribute_cells(target, x, **SETTINGS, n_samples=1, noise=0.5).values
    w = weight.numpy()
    for k in range(2):  # the gradient is w_k (w_k' e)
        expected = 0.25 * np.outer(w[:, k], w[:, k]) * (w[:, k] @ w[:, k])
        np.testing.assert_allclose(np.cov(found[k].T), expected, rtol=0.03, atol=0.02)
        np.testing.assert_allclose(found[k].mean(axis=0), 0.0, atol=0.05)


def test_the_samples_are_averaged():
    target = AttributionTarget(lambda x: x**2 / 2, lambda x: x, ["a"], kind="logit")
    found = attribute_cells(target, np.zeros((20_000, 1)), "a", **SETTINGS, n_samples=16, noise=1.0)
    np.testing.assert_allclose(found.values.std(), 0.25, rtol=0.03)


def test_the_seed_decides(target, counts):
    first, again, other = (attribute_cells(target, counts, "class_0", **SETTINGS, rng=rng).values for rng in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_a_number_below_zero_is_an_error(target, counts):
    with pytest.raises(ValueError, match="`noise` must be positive"):
        attribute_cells(target, counts, **SETTINGS, noise=-1.0)
