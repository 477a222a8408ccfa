"""What the phases of training minimise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

import scpi
from scpi.model.base._constants import KEYS
from scpi.model.clustering._self_training import target_distribution

TRAIN = {"max_epochs": 2, "max_cluster_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False}


def fit(name, adata, **kwargs):
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata)
    model = cls(adata, n_clusters=2, **kwargs)
    model.train(**TRAIN)
    return model


def batch(model, adata):
    counts = torch.from_numpy(adata.X.toarray())
    return {KEYS.X: counts, KEYS.INPUT: model.module.transform(counts)}


@pytest.mark.parametrize("ridge", [0.0, 5.0])
def test_the_reconstruction_is_the_likelihood_at_the_depth_of_the_cell(make_groups, ridge):
    adata = make_groups()
    model = fit("SCZIDesk", adata, ridge=ridge)
    counts, total = adata.X.toarray(), adata.X.sum(1)
    depth = np.asarray(total / np.median(np.asarray(total)))
    with torch.no_grad():
        z = torch.from_numpy(model.get_latent_representation())
        log_mean, theta, logit = (v.double().numpy() for v in model.module.decoder(z, torch.ones(60, 1)))
        found = float(model.module.reconstruction_loss(batch(model, adata)))
    mean, lost = depth * np.exp(log_mean), 1 / (1 + np.exp(-logit))
    likelihood = (1 - lost) * stats.nbinom.pmf(counts, theta, theta / (theta + mean)) + lost * (counts == 0)
    assert found == pytest.approx(np.mean(-np.log(likelihood) + ridge * lost**2), rel=1e-4)


def test_training_computes_the_likelihood_of_some_genes(make_groups):
    adata = make_groups()
    model = fit("SCZIDesk", adata, n_loss_genes=7, noise=0.0)
    seen = []
    decoder = model.module.decoder.forward
    model.module.decoder.forward = lambda *args: seen.append(args[2]) or decoder(*args)
    losses = []
    for mode in (True, False):
        model.module.train(mode)
        losses.append(np.mean([float(model.module.reconstruction_loss(batch(model, adata))) for _ in range(200)]))
    assert len(seen[0]) == 7 and not torch.equal(seen[0], seen[1])
    assert seen[-1] is None
    # The mean over the draws is that over all genes.
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_the_terms_of_the_second_phase_have_their_weights(make_groups):
    adata = make_groups()
    model = fit("SCZIDesk", adata, cluster_weight=0.5, similarity_weight=0.25)
    z = model.get_latent_representation().astype(np.float64)
    distances = np.square(z[:, None] - model.module.centroids.detach().numpy()).sum(2)
    weight = model.predict(soft=True).to_numpy()
    with torch.no_grad():
        losses = model.module.clustering_losses(batch(model, adata), None)
    assert float(losses["kmeans"]) == pytest.approx(0.5 * (weight * distances).sum(1).mean(), rel=1e-3)
    kernel = 1 / (1 + np.square(z[:, None] - z).sum(2))
    np.fill_diagonal(kernel, 0.0)
    p = kernel / kernel.sum(1, keepdims=True)
    q = p**2 / (p**2).sum(1, keepdims=True)
    off = ~np.eye(60, dtype=bool)
    assert float(losses["similarity"]) == pytest.approx(0.25 * (q[off] * np.log(q[off] / p[off])).sum(), rel=1e-3)
    assert set(losses) == {"reconstruction", "kmeans", "similarity"}


def test_soft_assignments_approach_their_sharpened_copy(make_groups):
    adata = make_groups()
    model = fit("SCDeepCluster", adata, cluster_weight=0.5)
    soft = model.predict(soft=True).to_numpy()
    target = model.trainer.lightning_module._target
    torch.testing.assert_close(target, target_distribution(torch.from_numpy(soft)).float(), atol=1e-4, rtol=1e-3)
    p = target.double().numpy()
    with torch.no_grad():
        losses = model.module.clustering_losses(batch(model, adata), target)
    expected = 0.5 * np.where(p > 0, p * np.log(np.maximum(p, 1e-300) / soft), 0.0).sum(1).mean()
    assert float(losses["clustering"]) == pytest.approx(expected, rel=1e-2, abs=1e-6)


def test_the_objective_is_the_sum_of_its_terms(make_groups):
    model = fit("SCZIDesk", make_groups())
    last = {name: float(model.history[f"{name}_train"].iloc[-1, 0]) for name in ("objective", "reconstruction")}
    parts = [float(model.history[f"{name}_train"].iloc[-1, 0]) for name in ("kmeans", "similarity")]
    assert last["objective"] == pytest.approx(last["reconstruction"] + sum(parts), rel=1e-4)
    assert min(parts) > 0
