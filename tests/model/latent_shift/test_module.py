from __future__ import annotations

import numpy as np
import pytest
import torch
from scvi import REGISTRY_KEYS
from torch import nn

from scpi.model.latent_shift._module import ShiftVAE
from scpi.model.latent_shift._presets import SCGEN_PRESETS, SCVIDR_PRESETS, SCGENPreset

G = 7


def module(**kwargs):
    torch.manual_seed(0)
    return ShiftVAE(G, preset=SCGENPreset(**({"n_hidden": 6, "n_layers": 2, "n_latent": 3} | kwargs))).double()


def layers(network, kind):
    return [layer for layer in network.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize("preset", [SCGEN_PRESETS["published"], SCVIDR_PRESETS["published"]])
def test_the_published_network(preset):
    network = ShiftVAE(G, preset=preset)
    shapes = [tuple(layer.weight.shape) for layer in layers(network.z_encoder, nn.Linear)]
    assert shapes == [(800, G), (800, 800), (100, 800), (100, 800)]
    assert [tuple(layer.weight.shape) for layer in layers(network.decoder, nn.Linear)] == [
        (800, 100),
        (800, 800),
        (G, 800),
    ]
    norms = layers(network, nn.BatchNorm1d)
    assert [(norm.momentum, norm.eps) for norm in norms] == [(0.01, 0.001)] * 4
    assert len(layers(network, nn.LeakyReLU)) == 4
    assert [layer.p for layer in layers(network, nn.Dropout)] == [0.2] * 4
    assert (network.kl_weight, preset.lr, preset.eps) == (5e-5, 1e-3, 0.01)
    assert (preset.max_epochs, preset.patience) == (100, 25)


def test_the_published_batches():
    assert (SCGEN_PRESETS["published"].batch_size, SCVIDR_PRESETS["published"].batch_size) == (32, 128)


@pytest.mark.parametrize("kl_weight", [5e-5, 0.7])
def test_the_loss_against_plain_formulas(kl_weight):
    network = module(kl_weight=kl_weight, dropout=0.0).eval()
    x = torch.randn(5, G, dtype=torch.float64)
    inference = network.inference(x)
    generative = network.generative(inference["z"])
    found = network.loss({REGISTRY_KEYS.X_KEY: x}, inference, generative)
    hidden = network.z_encoder.encoder(x)
    mean = network.z_encoder.mean_encoder(hidden)
    variance = network.z_encoder.var_encoder(hidden).exp() + 1e-4
    error = 0.5 * ((x - network.decoder(inference["z"])) ** 2).sum(1)
    divergence = 0.5 * (variance + mean**2 - 1 - variance.log()).sum(1)
    torch.testing.assert_close(found.loss, (error + 0.5 * kl_weight * divergence).mean())
    # What is logged adds up to what is minimised.
    torch.testing.assert_close(found.reconstruction_loss_sum + found.kl_local_sum, 5 * found.loss)


def test_the_mean_of_the_units_is_no_draw():
    network = module().eval()
    x = torch.randn(4, G, dtype=torch.float64)
    state = torch.get_rng_state()
    z = network.encode(x)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(z, network.z_encoder(x)[0].mean)


@pytest.mark.parametrize("residual", [True, False])
def test_moved_cells(residual):
    network = module(residual=residual).eval()
    x, shift = torch.randn(4, G, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    z = network.encode(x)
    before, after = network.decoder(z), network.decoder(z + shift)
    expected = x + after - before if residual else after
    torch.testing.assert_close(network.move(x, shift), expected)
    still = network.move(x, torch.zeros_like(shift))
    np.testing.assert_array_equal(still.detach(), (x if residual else before).detach())


def test_a_linear_decoder():
    network = module(linear_decoder=True).eval()
    z = torch.randn(6, 3, dtype=torch.float64)
    sums = network.decode(z[:3] + z[3:]) + network.decode(torch.zeros_like(z[:3]))
    torch.testing.assert_close(network.decode(z[:3]) + network.decode(z[3:]), sums)
    assert [(norm.momentum, norm.eps) for norm in layers(network.decoder, nn.BatchNorm1d)] == [(0.01, 0.001)]
