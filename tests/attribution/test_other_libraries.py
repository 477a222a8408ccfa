"""Methods of captum and shap on the targets of models, in as many lines as the user guide needs."""

from __future__ import annotations

import numpy as np
import pytest
import shap
import torch
from captum.attr import FeatureAblation, GuidedBackprop, IntegratedGradients, Saliency

import scpi
from scpi.attribution import attribute_cells

N_GENES = 40


@pytest.fixture(scope="module")
def adata():
    return scpi.datasets.splat(30, n_genes=N_GENES, rng=0)


@pytest.fixture(scope="module")
def target(adata):
    scpi.model.GeneProgramAE.setup_anndata(adata)
    model = scpi.model.GeneProgramAE(adata, n_units=3)
    model.train(max_epochs=1)
    return scpi.model.attribution_target(model, "latent")


@pytest.fixture(scope="module")
def x(adata, target):
    return target.transform(torch.tensor(adata.X.toarray(), dtype=torch.float32))


def ours(target, adata, method, **options):
    return attribute_cells(target, adata.X, target.names[1], method=method, **options).values


def test_saliency_of_captum(adata, target, x):
    found = Saliency(target.function).attribute(x, target=1, abs=False)
    np.testing.assert_allclose(found.numpy(), ours(target, adata, "gradient"), rtol=1e-3, atol=1e-6)


def test_integrated_gradients_of_captum(target, x):
    start = x.mean(0, keepdim=True)
    found = IntegratedGradients(target.function).attribute(x, baselines=start, target=1, n_steps=200)
    with torch.no_grad():
        change = (target.function(x) - target.function(start))[:, 1]
    np.testing.assert_allclose(found.sum(1).detach().numpy(), change.numpy(), rtol=0.02, atol=0.01)


def test_feature_ablation_of_captum(adata, target, x):
    with torch.no_grad():
        found = FeatureAblation(target.function).attribute(x, target=1)
    expected = ours(target, adata, "occlusion", baseline="zero")
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-5)


def test_shapley_values_by_kernels_of_shap(target, x):
    def outputs(rows):
        return target.function(torch.as_tensor(rows, dtype=torch.float32)).detach().numpy()

    start = x.mean(0, keepdim=True).numpy()
    values = shap.KernelExplainer(outputs, start).shap_values(x[:2].numpy(), nsamples=200, silent=True)
    assert values.shape == (2, N_GENES, 3)
    np.testing.assert_allclose(values.sum(1), outputs(x[:2]) - outputs(start), atol=1e-4)


class Outputs(torch.nn.Module):
    def __init__(self, target):
        super().__init__()
        self._target = target

    def forward(self, rows):
        return self._target.function(rows)


def test_gradients_of_shap(target, x):
    # From one cell, expected gradients are those on the path from it, and sum to the difference of the outputs
    values = shap.GradientExplainer(Outputs(target), x[:1]).shap_values(x[1:3], nsamples=400, rseed=0)
    assert values.shape == (2, N_GENES, 3)
    with torch.no_grad():
        change = (target.function(x[1:3]) - target.function(x[:1])).numpy()
    np.testing.assert_allclose(values.sum(1), change, rtol=0.05, atol=0.02)


def test_hooks_of_captum_find_no_layers(target, x):
    with pytest.raises(AssertionError, match="torch.nn.Module"):
        GuidedBackprop(target.function).attribute(x, target=1)
    found = GuidedBackprop(Outputs(target)).attribute(x, target=1)
    np.testing.assert_allclose(found, Saliency(target.function).attribute(x, target=1, abs=False), rtol=1e-5)
