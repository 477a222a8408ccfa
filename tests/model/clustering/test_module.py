from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scpi.model.base._constants import KEYS
from scpi.model.clustering._autoencoder_module import SCZIDeskModule
from scpi.model.clustering._presets import SCZIDESK

PRESET = replace(SCZIDESK["scpi"], n_hidden=(16, 8), n_latent=3, noise=0.0, cluster_weight=0.5, similarity_weight=0.25)


def make_module(n_clusters=2, **changes):
    torch.manual_seed(0)
    return SCZIDeskModule(10, preset=replace(PRESET, **changes), n_clusters=n_clusters)


def test_a_saved_network_brings_its_number_of_clusters():
    saved, loaded = make_module(0), make_module(2)
    saved.set_centroids(torch.arange(12.0).reshape(4, 3))
    loaded.load_state_dict(saved.state_dict())
    assert torch.equal(loaded.centroids, torch.arange(12.0).reshape(4, 3))
    assert isinstance(loaded.centroids, torch.nn.Parameter)


@torch.no_grad()
def test_the_second_phase_adds_soft_kmeans_and_pairwise_similarity():
    module = make_module()
    module.set_centroids(torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.5]]))
    counts = torch.poisson(torch.full((7, 10), 2.0))
    tensors = {KEYS.X: counts, KEYS.INPUT: counts.log1p()}
    losses = module.clustering_losses(tensors, None)
    z = module.encode(tensors[KEYS.INPUT]).double().numpy()
    distances = np.square(z[:, None] - module.centroids.double().numpy()).sum(2)
    weight = np.exp(-2 * distances)
    weight /= weight.sum(1, keepdims=True)
    assert float(losses["kmeans"]) == pytest.approx(0.5 * (weight * distances).sum(1).mean(), rel=1e-4)
    p = 1 / (1 + np.square(z[:, None] - z).sum(2))
    np.fill_diagonal(p, 0.0)
    p /= p.sum(1, keepdims=True)
    q = p**2 / np.square(p).sum(1, keepdims=True)
    others = ~np.eye(7, dtype=bool)
    assert float(losses["similarity"]) == pytest.approx(
        0.25 * (q * np.log(q / np.where(others, p, 1), where=others, out=np.zeros_like(q))).sum(), rel=1e-4
    )
    torch.testing.assert_close(losses["reconstruction"], module.reconstruction_loss(tensors))


@torch.no_grad()
def test_the_encoder_starts_as_principal_components_with_the_last_at_scale_one():
    module, x = make_module(), torch.randn(60, 10, generator=torch.Generator().manual_seed(0))
    x = x * torch.linspace(3, 0.5, 10)
    module.start(x, torch.ones(10), torch.full((10,), 2.0))
    centred = x - x.mean(0)
    values, columns = torch.linalg.svd(centred, full_matrices=False)[1:]
    deviation = float(values[2]) / 59**0.5
    found = module.encode(centred)
    torch.testing.assert_close(found.abs(), (centred @ columns[:3].T / deviation).abs(), rtol=1e-3, atol=1e-3)
    assert float(found[:, 2].std()) == pytest.approx(1.0, rel=1e-3)


@torch.no_grad()
def test_the_published_networks_start_at_random():
    module = make_module(data_init=False)
    before = module.encoder.first.weight.clone()
    module.start(torch.randn(60, 10), torch.ones(10), torch.ones(10))
    assert torch.equal(module.encoder.first.weight, before)
