from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from scpi.model.senavae._encoder import Encoder, init_small

MEMBERSHIP = torch.tensor([[1, 0], [1, 0], [0, 1], [0, 1]]).bool()


@pytest.fixture(params=["gene_sets", "mlp", "linear"])
def encoder(request):
    torch.manual_seed(0)
    membership = MEMBERSHIP if request.param == "gene_sets" else None
    encoder = Encoder(4, 2, membership=membership, n_hidden=3 if request.param == "mlp" else 0).double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter))
    return encoder


@pytest.fixture
def x():
    return torch.randn(30, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_plain_layers_start_small():
    torch.manual_seed(0)
    layer = init_small(torch.nn.Linear(300, 300))
    assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert not layer.bias.any()


def test_mean_and_variance_are_the_two_halves_of_the_heads(encoder, x):
    read = x
    if encoder.first is not None:
        units = encoder.activity(x)
        read = torch.where(units > 0, units, 0.2 * units)
    raw = read @ encoder.heads.weight.T + encoder.heads.bias
    mean, variance = encoder(x)
    torch.testing.assert_close(mean, raw[:, :2])
    torch.testing.assert_close(variance, F.softplus(raw[:, 2:]) + 1e-8)


def test_heads_read_standardised_units(encoder, x):
    encoder.standardise(x)
    units = encoder.activity(x)
    scaled = (units - units.mean(0)) / units.std(0, correction=0)
    expected = x if encoder.first is None else torch.where(scaled > 0, scaled, 0.2 * scaled)
    torch.testing.assert_close(encoder.rectified(x), expected)


def test_means_are_mapped_and_variances_put_into_order(encoder, x):
    mean, variance = encoder(x)
    matrix = torch.randn(2, 2, dtype=torch.float64)
    encoder.map_mean(matrix)
    encoder.permute_variance(torch.tensor([1, 0]))
    mapped, permuted = encoder(x)
    torch.testing.assert_close(mapped, mean @ matrix)
    torch.testing.assert_close(permuted, variance[:, [1, 0]])
