"""What decoders give the cells of groups."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.attribution import AttributionTarget, DecoderTarget, attribute_cells, decoded_means

LOADINGS = torch.tensor([[2.0, 0.0, -1.0, 0.5], [0.0, 1.0, 3.0, 0.0]])


@pytest.fixture
def latent():
    return np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)


@pytest.fixture
def decoder():
    return DecoderTarget(lambda z: torch.log_softmax(torch.tanh(z) @ LOADINGS, 1), ["a", "b"])


def test_a_linear_decoder_gives_centroids_times_loadings(latent):
    codes = np.arange(30) % 3 - 1
    found = decoded_means(DecoderTarget(lambda z: z @ LOADINGS, ["a", "b"]), latent, codes)
    centroids = np.stack([latent[codes == k].mean(axis=0) for k in range(2)])
    np.testing.assert_allclose(found, centroids @ LOADINGS.numpy(), atol=1e-6)


def test_means_are_over_the_cells_of_a_group_whatever_the_batch(decoder, latent):
    codes = np.arange(30) % 3 - 1
    decoded = decoder.function(torch.from_numpy(latent)).numpy()
    wanted = np.stack([decoded[codes == k].mean(axis=0) for k in range(2)])
    np.testing.assert_allclose(decoded_means(decoder, latent, codes), wanted, atol=1e-6)
    np.testing.assert_allclose(decoded_means(decoder, latent, codes, batch_size=4), wanted, atol=1e-6)
    np.testing.assert_allclose(decoded_means(decoder, latent), decoded.mean(axis=0)[None], atol=1e-6)


def test_their_difference_is_the_integrated_gradient_over_all_pairs(decoder, latent):
    """Of every gene, summed over the units."""
    group, rest = latent[:5], latent[5:12]
    target = AttributionTarget(decoder.function, lambda z: z, [f"gene{g}" for g in range(4)], kind="log mean")
    integrated = np.mean(
        [
            attribute_cells(target, group, method="integrated_gradients", baseline=start).values.sum(axis=-1)
            for start in rest
        ],
        axis=(0, 2),
    )
    means = decoded_means(decoder, latent[:12], np.repeat([0, 1], [5, 7]))
    np.testing.assert_allclose(means[0] - means[1], integrated, atol=1e-4)


def test_a_group_without_cells_has_no_mean(decoder, latent):
    found = decoded_means(decoder, latent, np.where(np.arange(30) < 15, 0, 2))
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 2]]).all()


@pytest.mark.parametrize(
    ("z", "options", "message"),
    [
        (np.ones((3, 5)), {}, "cells x 2 units"),
        (np.full((3, 2), np.nan), {}, "NaN"),
        (np.ones((3, 2)), {"codes": [0, 1]}, "one integer for each of 3 cells"),
        (np.ones((3, 2)), {"batch_size": 0}, "`batch_size` must be positive"),
    ],
)
def test_bad_input_is_refused(decoder, z, options, message):
    with pytest.raises(ValueError, match=message):
        decoded_means(decoder, z, **options)
