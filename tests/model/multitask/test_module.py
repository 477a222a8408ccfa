from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from scpi.model.multitask._module import MultiTaskModule
from scpi.model.multitask._presets import PRESETS, Preset

SMALL = Preset(n_hidden=(6,), n_latent=3, norm="layer", dropout=0.0, variational=False)
RNG = np.random.default_rng(0)
X = torch.from_numpy(RNG.poisson(3.0, (7, 5)).astype(np.float64))
CODE = torch.eye(2, dtype=torch.float64)[torch.arange(7) % 2]


def module(**changes):
    torch.manual_seed(0)
    made = MultiTaskModule(5, 2, 4, preset=replace(SMALL, **changes)).double()
    for layer in made.decoder:
        for part in (layer.scale, layer.shift):
            if part is not None:
                torch.nn.init.normal_(part.weight)
    return made.eval()


def linear(layer, x):
    return x @ layer.weight.T + layer.bias


def test_the_decoder_by_hand():
    net = module()
    z = net.encode(X)
    block = net.decoder[0]
    y = F.layer_norm(linear(block.linear, z), (6,))
    y = y * (1 + CODE @ block.scale.weight.T) + CODE @ block.shift.weight.T
    torch.testing.assert_close(net.decode(z, CODE), linear(net.output, F.leaky_relu(y, 0.01)))
    hidden = F.leaky_relu(F.layer_norm(linear(net.encoder[0].linear, X), (6,)), 0.01)
    torch.testing.assert_close(z, linear(net.mean, hidden))


def test_an_embedding_is_shared_by_the_layers():
    net = module(n_hidden=(6, 4), n_embedding=3)
    assert [layer.scale.in_features for layer in net.decoder] == [3, 3]
    z = net.encode(X)
    before = net.decode(z, CODE)
    with torch.no_grad():
        net.embedding.weight.copy_(net.embedding.weight.flip(1))
    torch.testing.assert_close(net.decode(z, CODE.flip(1)), before)


def test_normal_errors_are_a_mean_over_genes():
    net = module()
    losses, z = net.losses(X, X + 1, CODE)
    torch.testing.assert_close(losses["reconstruction"], (X + 1 - net.decode(z, CODE)).square().mean())
    assert set(losses) == {"reconstruction"}


def test_counts_have_the_likelihood_of_scipy():
    net = module(likelihood="nb")
    with torch.no_grad():
        net.log_theta.copy_(torch.linspace(-1, 1, 5))
    losses, z = net.losses(X, X, CODE)
    share = net.decode(z, CODE).exp().detach().numpy()
    np.testing.assert_allclose(share.sum(1), 1.0)
    mean, theta = share * X.sum(1, keepdim=True).numpy(), np.exp(np.linspace(-1, 1, 5))
    expected = -stats.nbinom.logpmf(X.numpy(), theta, theta / (theta + mean)).mean()
    np.testing.assert_allclose(float(losses["reconstruction"]), expected, rtol=1e-5)
    # The encoder reads logarithms of counts at the same depth
    torch.testing.assert_close(net.read(X), torch.log1p(X / X.sum(1, keepdim=True) * 1e4))


def test_the_divergence_is_that_of_normal_distributions():
    net = module(variational=True)
    mean, log_variance = net.posterior(X)
    losses, z = net.losses(X, X, CODE)
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    own = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(own, prior).sum(1).mean()
    torch.testing.assert_close(losses["divergence"], expected)
    torch.testing.assert_close(z, mean)
    # In training units are drawn
    net.train()
    assert not torch.equal(net.losses(X, X, CODE)[1], mean)


@pytest.mark.parametrize("likelihood", ["normal", "nb"])
def test_the_output_starts_from_the_mean(likelihood):
    net = module(likelihood=likelihood)
    mean = X.mean(0) if likelihood == "normal" else X.sum(0) / X.sum()
    net.start_from(mean)
    with torch.no_grad():
        net.output.weight.zero_()
    decoded = net.decode(net.encode(X), CODE)[0]
    torch.testing.assert_close(decoded if likelihood == "normal" else decoded.exp(), mean, atol=0.1, rtol=0)


def test_genes_are_hidden_in_training_only():
    net = module(mask=0.5)
    torch.testing.assert_close(net.encode(X), module().encode(X))
    net.train()
    assert not torch.allclose(net.encode(X), net.encode(X))


def test_the_heads_of_the_published_variational_network_are_trained():
    """They were in no optimiser, and their mean was bent by an activation."""
    net = MultiTaskModule(5, 2, 4, preset=replace(PRESETS["published-vae"], n_hidden=(6,)))
    own = {id(p) for name, p in net.named_parameters() if not name.startswith("discriminator")}
    assert {id(p) for head in (net.mean, net.log_variance) for p in head.parameters()} <= own
    assert (net.eval().encode(X.float()) < -0.05).any()
