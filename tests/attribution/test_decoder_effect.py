"""Slopes of decoders along their units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scpi.attribution import DecoderTarget, decoder_effect

N_UNITS, N_GENES = 4, 12


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(N_UNITS, 8), nn.BatchNorm1d(8), nn.Softplus(), nn.Linear(8, N_GENES)).eval()
    return DecoderTarget(lambda z: torch.log_softmax(network(z), 1), [f"unit_{k}" for k in range(N_UNITS)])


@pytest.fixture
def latent():
    return np.random.default_rng(0).normal(size=(30, N_UNITS))


def jacobian(decoder, latent):
    """Cells x genes x units, by reverse differentiation."""
    z = torch.from_numpy(latent.astype(np.float32))
    return torch.stack([torch.autograd.functional.jacobian(lambda c: decoder.function(c[None])[0], c) for c in z])


def test_it_is_the_jacobian(decoder, latent):
    codes = np.arange(30) % 3 - 1
    written = np.full((N_UNITS, 30, N_GENES), np.nan)

    def write(j, rows, values):
        written[j, rows] = values

    found = decoder_effect(decoder, latent, codes, absolute=True, write=write, batch_size=7)
    expected = jacobian(decoder, latent).numpy().transpose(2, 0, 1)
    for group in range(2):
        of_group = expected[:, codes == group]
        np.testing.assert_allclose(found.mean[group], of_group.mean(1), atol=1e-6)
        np.testing.assert_allclose(found.mean_abs[group], np.abs(of_group).mean(1), atol=1e-6)
    np.testing.assert_allclose(written[:, codes >= 0], expected[:, codes >= 0], atol=1e-6)
    assert found.n_cells.tolist() == [10, 10]


def test_a_softmax_gives_loadings_less_their_mean_in_the_cell():
    loadings = torch.tensor([[3.0, 0.0, -1.0]])
    target = DecoderTarget(lambda z: torch.log_softmax(z @ loadings, 1), ["a"])
    found = decoder_effect(target, [[0.0]]).mean[0, 0]
    np.testing.assert_allclose(found, [3 - 2 / 3, -2 / 3, -1 - 2 / 3], atol=1e-6)


def test_units_can_be_chosen(decoder, latent):
    chosen = decoder_effect(decoder, latent, units=["unit_2", 0]).mean
    np.testing.assert_allclose(chosen, decoder_effect(decoder, latent).mean[:, [2, 0]])


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.ones((3, 5)), "cells x 4 units"),
        (np.ones((0, 4)), "no cells"),
        (np.full((3, 4), np.nan), "NaN"),
    ],
)
def test_bad_latent_units_are_refused(decoder, z, message):
    with pytest.raises(ValueError, match=message):
        decoder_effect(decoder, z)
