"""Changes between a low and a high value of a unit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.attribution import DecoderTarget, latent_traversal


@pytest.fixture
def latent():
    return np.random.default_rng(0).gamma(1.0, size=(101, 2))


def test_a_product_with_another_unit_counts_with_its_mean(latent):
    target = DecoderTarget(lambda z: torch.stack([z[:, 0] ** 2, z[:, 0] * z[:, 1]], 1), ["a", "b"])
    found = latent_traversal(target, latent, low=0.1, high=0.9, absolute=True, batch_size=10)
    (a_low, b_low), (a_high, b_high) = np.quantile(latent, [0.1, 0.9], axis=0)
    mean = latent.mean(0)
    expected = [[a_high**2 - a_low**2, (a_high - a_low) * mean[1]], [0.0, (b_high - b_low) * mean[0]]]
    np.testing.assert_allclose(found.mean[0], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.mean_abs[0], expected, rtol=1e-4, atol=1e-6)


def test_quantiles_are_those_of_the_cells_that_are_asked_about(latent):
    target = DecoderTarget(lambda z: z, ["a", "b"])
    codes = np.where(latent[:, 0] > 1.0, 0, -1)
    low, high = np.quantile(latent[codes == 0, 0], [0.05, 0.95])
    np.testing.assert_allclose(latent_traversal(target, latent, codes).mean[0, 0], [high - low, 0.0], rtol=1e-5)


def test_a_unit_that_does_not_vary_changes_nothing(latent):
    latent[:, 1] = 0.3
    found = latent_traversal(DecoderTarget(lambda z: z @ torch.ones(2, 3), ["a", "b"]), latent)
    assert found.mean[0, 1].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("low", "high"), [(0.9, 0.1), (0.5, 0.5), (-0.1, 0.5), (0.1, 1.5)])
def test_quantiles_are_checked(latent, low, high):
    with pytest.raises(ValueError, match="must be quantiles"):
        latent_traversal(DecoderTarget(lambda z: z, ["a", "b"]), latent, low=low, high=high)
