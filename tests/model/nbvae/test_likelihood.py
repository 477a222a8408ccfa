from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scvi.model.base._log_likelihood import compute_elbo, compute_reconstruction_error

import scpi
from scpi.model.base import KEYS


@pytest.fixture(scope="module")
def adata():
    return scpi.datasets.splat(60, n_genes=20, group_prob=(0.5, 0.5), de_prob=0.3, rng=0)


@pytest.fixture(scope="module")
def model(adata):
    scpi.model.NBVAE.setup_anndata(adata)
    model = scpi.model.NBVAE(adata, n_latent=3, encoder_hidden=(8,), decoder_hidden=(8,), seed=0)
    model.train(max_epochs=2, accelerator="cpu", enable_progress_bar=False)
    return model


def batches(model, adata):
    return model._batches(model._validate_anndata(adata), batch_size=16)


def seeded(function, *args, **kwargs):
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(3)
        return function(*args, **kwargs)


def test_values_and_signs_are_those_of_scvi_tools(model, adata):
    expected = -seeded(compute_elbo, model.module, batches(model, adata), return_mean=False)
    elbo = model.get_elbo(batch_size=16, return_mean=False, seed=3)
    np.testing.assert_allclose(elbo, expected, rtol=1e-5)
    assert model.get_elbo(batch_size=16, seed=3) == pytest.approx(float(expected.mean()), rel=1e-5)
    error = seeded(compute_reconstruction_error, model.module, batches(model, adata), return_mean=False)
    found = model.get_reconstruction_error(batch_size=16, return_mean=False, seed=3)
    np.testing.assert_allclose(found["reconstruction_loss"], error["reconstruction_loss"], rtol=1e-5)
    assert (found["reconstruction_loss"] < -elbo).all()


def test_the_error_is_the_negative_binomial_likelihood(model, adata):
    # Without noise in the latent units the error is that of the decoded means
    with torch.inference_mode():
        (tensors,) = model._batches(model._validate_anndata(adata), batch_size=60)
        found = model.module(tensors)
        scale = found[1]["log_scale"].exp() * model.module.size(tensors[KEYS.X], None)
        theta = model.module.log_theta.exp().numpy()
    mean, x = scale.numpy().astype(float), tensors[KEYS.X].numpy()
    expected = -stats.nbinom(theta, theta / (theta + mean)).logpmf(x).sum(1)
    np.testing.assert_allclose(found[2].reconstruction_loss["reconstruction_loss"].numpy(), expected, rtol=1e-3)


def test_calls_are_seeded_and_take_new_cells(model, adata):
    before = torch.random.get_rng_state()
    assert model.get_elbo() == model.get_elbo() != model.get_elbo(seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    chosen = model.get_elbo(adata.copy(), indices=[4, 2], return_mean=False)
    assert chosen.shape == (2,) and np.isfinite(chosen).all()


def test_training_raises_the_bound(adata):
    scpi.model.NBVAE.setup_anndata(adata)
    model = scpi.model.NBVAE(adata, n_latent=3, encoder_hidden=(8,), decoder_hidden=(8,), seed=0)
    model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    first = model.get_elbo()
    model.train(max_epochs=60, accelerator="cpu", enable_progress_bar=False)
    assert model.get_elbo() > first + 1
