from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scpi.model.base._constants import KEYS
from scpi.model.clustering._autoencoder_module import SCDeepClusterModule, SCZIDeskModule
from scpi.model.clustering._presets import SCDEEPCLUSTER

PRESET = replace(SCDEEPCLUSTER["scpi"], n_hidden=(8,), n_latent=2, noise=0.0, cluster_weight=0.5, n_loss_genes=None)
CENTROIDS = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, -1.0]])


def make_module(cls, **changes):
    torch.manual_seed(0)
    module = cls(6, preset=replace(PRESET, **changes), n_clusters=0)
    module.set_centroids(CENTROIDS)
    return module


@pytest.fixture
def tensors():
    counts = torch.poisson(torch.full((9, 6), 2.0), generator=torch.Generator().manual_seed(0))
    return {KEYS.X: counts, KEYS.INPUT: counts.log1p()}


def test_logits_are_those_of_the_kernels():
    z = torch.tensor([[0.0, 0.0]])
    distances = torch.tensor([[0.0, 25.0, 2.0]])
    torch.testing.assert_close(make_module(SCDeepClusterModule).logits(z), -torch.log(1 + distances))
    torch.testing.assert_close(make_module(SCZIDeskModule).logits(z), -2 * distances)


@torch.no_grad()
def test_the_clustering_term_is_the_weighted_divergence_from_the_targets(tensors):
    module = make_module(SCDeepClusterModule)
    target = torch.rand(9, 3, generator=torch.Generator().manual_seed(1))
    target /= target.sum(1, keepdim=True)
    losses = module.clustering_losses(tensors, target)
    z = module.encoder(tensors[KEYS.INPUT])
    soft = 1 / (1 + torch.cdist(z, CENTROIDS).square())
    soft /= soft.sum(1, keepdim=True)
    expected = 0.5 * (target * (target / soft).log()).sum(1).mean()
    torch.testing.assert_close(losses["clustering"], expected)
    torch.testing.assert_close(losses["reconstruction"], module.reconstruction_loss(tensors))


@pytest.mark.parametrize("likelihood", ["nb", "zinb"])
@torch.no_grad()
def test_the_decoder_starts_from_the_moments_of_the_counts(likelihood, tensors):
    module = make_module(SCZIDeskModule, likelihood=likelihood)
    mean = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    variance = torch.tensor([2.0, 2.5, 3.01, 8.0, 305.0, 6.0])
    module.start(tensors[KEYS.INPUT], mean, variance)
    log_mean, theta, dropout = module.decoder(torch.randn(4, 2), torch.full((4, 1), 2.0))
    torch.testing.assert_close(log_mean.exp(), (2 * mean).expand(4, -1))
    torch.testing.assert_close(theta[0], torch.tensor([1.0, 8.0, 100.0, 4.0, 0.1, 100.0]), rtol=1e-3, atol=0)
    assert dropout is None if likelihood == "nb" else torch.equal(dropout, torch.full((4, 6), -3.0))
