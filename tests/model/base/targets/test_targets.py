"""Attribution and decoder targets of models, those of scvi-tools included."""

from __future__ import annotations

import numpy as np
import pytest
import scvi
import torch

import scpi
from scpi.attribution import attribute_cells, decoder_effect
from scpi.model import attribution_target, decoder_target

DRVI = getattr(scvi.external, "DRVI", None)
OF_SCVI = ["SCVI", "LinearSCVI", "SCANVI", *(["DRVI"] if DRVI is not None else [])]


@pytest.fixture(scope="module")
def cells():
    adata = scpi.datasets.splat(80, n_genes=30, group_prob=(0.5, 0.5), rng=0)
    adata.obs["batch"] = np.where(np.arange(80) % 3, "a", "b")
    adata.obs["number"] = np.linspace(0, 1, 80)
    return adata


def build(name, cells, *, setup=None, **kwargs):
    model_class = DRVI if name == "DRVI" else getattr(scvi.model, name)
    if name == "SCANVI":
        setup = {"labels_key": "group", "unlabeled_category": "unknown", **(setup or {})}
    adata = cells.copy()
    model_class.setup_anndata(adata, **(setup or {}))
    model = model_class(adata, n_latent=3, **kwargs)
    model.train(2, accelerator="cpu", enable_progress_bar=False, logger=False)
    return model


@pytest.mark.parametrize("name", OF_SCVI)
def test_targets_of_scvi_are_its_own_embedding_and_expression(name, cells):
    model = build(name, cells, setup={"batch_key": "batch"})
    latent = model.get_latent_representation()
    counts = torch.from_numpy(np.asarray(model.adata.X.todense(), dtype=np.float32))
    target = attribution_target(model, "latent")
    with torch.no_grad():
        x = target.transform(counts)
        np.testing.assert_allclose(target.function(x), latent, atol=1e-4)
        np.testing.assert_allclose(target.head(x @ target.projection), latent, atol=1e-4)
    assert list(target.names) == ["latent_0", "latent_1", "latent_2"]
    decoder = decoder_target(model)
    assert list(decoder.names) == list(target.names)
    with torch.no_grad():
        found = decoder.function(torch.from_numpy(latent)).numpy()
    expected = [np.log(_decoded(model, latent, code)) for code in range(2)]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-4)
    assert np.isfinite(decoder_effect(decoder, latent).mean).all()


def _decoded(model, latent, code):
    """Expected share of the counts, by the generative process of the module itself."""
    z = torch.from_numpy(latent)
    with torch.no_grad():
        batch = torch.full((len(z), 1), code)
        found = model.module.generative(z, torch.zeros(len(z), 1), batch, y=torch.zeros(len(z), 1))["px"]
    return found.get_normalized("scale").numpy() if hasattr(found, "get_normalized") else found.scale.numpy()


def test_slopes_of_a_linear_decoder_are_its_loadings(cells):
    model = build("LinearSCVI", cells)
    found = decoder_effect(decoder_target(model), model.get_latent_representation()).mean[0]
    loadings = model.get_loadings().to_numpy().T
    # A softmax takes from each loading their mean in the cell, which is the same for all genes
    np.testing.assert_allclose(
        found - found.mean(1, keepdims=True), loadings - loadings.mean(1, keepdims=True), atol=1e-5
    )


def test_a_decoder_reads_an_embedding_of_batches(cells):
    model = build("SCVI", cells, setup={"batch_key": "batch"}, batch_representation="embedding")
    latent = model.get_latent_representation()
    with torch.no_grad():
        found = decoder_target(model).function(torch.from_numpy(latent)).numpy()
    expected = np.mean([np.log(_decoded(model, latent, code)) for code in range(2)], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["SCDeepCluster", "SCZIDesk"])
def test_decoders_of_the_clustering_networks(name, cells):
    model_class = getattr(scpi.model, name)
    adata = cells.copy()
    model_class.setup_anndata(adata)
    model = model_class(adata, n_clusters=2, n_latent=3, seed=0)
    model.train(2, max_cluster_epochs=1, accelerator="cpu", enable_progress_bar=False)
    latent = model.get_latent_representation()
    decoder = decoder_target(model)
    with torch.no_grad():
        z = torch.from_numpy(latent)
        expected = model.module.decoder.mean(model.module.decoder.hidden(z))
        np.testing.assert_allclose(decoder.function(z), expected, atol=1e-6)
    step = 1e-2
    found = decoder_effect(decoder, latent, units=["latent_1"]).mean[0, 0]
    along = torch.tensor([0.0, step, 0.0])
    with torch.no_grad():
        slope = (decoder.function(z + along) - decoder.function(z - along)).mean(0) / (2 * step)
    np.testing.assert_allclose(found, slope, atol=5e-3)


def test_an_encoder_attributes_to_the_genes_that_it_reads(cells):
    model = build("SCVI", cells)
    target = attribution_target(model, "latent")
    x = target.transform(torch.from_numpy(np.asarray(cells.X.todense(), dtype=np.float32)))[:5].requires_grad_(True)
    encoder = model.module.z_encoder
    encoder.mean_encoder(encoder.encoder(x))[:, 1].sum().backward()
    np.testing.assert_allclose(attribute_cells(target, cells.X[:5], "latent_1").values, x.grad, atol=1e-5)


def test_what_has_no_decoder_is_named(cells):
    adata = cells.copy()
    scpi.model.ContrastiveSC.setup_anndata(adata)
    model = scpi.model.ContrastiveSC(adata, n_clusters=2, seed=0)
    model.train(1, max_cluster_epochs=0, accelerator="cpu", enable_progress_bar=False)
    with pytest.raises(TypeError, match="ContrastiveSC has no decoder"):
        decoder_target(model)


def test_covariates_and_normal_decoders_are_refused(cells):
    with pytest.raises(NotImplementedError, match="reads covariates beside the batch"):
        decoder_target(build("SCVI", cells, setup={"continuous_covariate_keys": ["number"]}))
    with pytest.raises(TypeError, match="has no logarithm"):
        decoder_target(build("SCVI", cells, gene_likelihood="normal"))


def test_arguments_reach_the_hook_of_a_model_of_scpi(make_screen, build):
    model = build_screen(make_screen, build)
    change = attribution_target(model, "change", perturbation="A", dose=0.5)
    expected = model.attribution_target("change", perturbation="A", dose=0.5)
    x = torch.from_numpy(model.adata.X[:5].toarray())
    with torch.no_grad():
        np.testing.assert_array_equal(change.function(x), expected.function(x))
    assert list(change.names) == model.var_names_
    assert attribution_target(model).kind == "latent"


def build_screen(make_screen, build):
    adata = make_screen()
    adata.X = adata.X.log1p()
    return build("SCGEN", adata, {"n_hidden": 8, "n_latent": 3})


def test_models_of_scvi_have_no_other_kinds_or_arguments(cells):
    model = build("SCVI", cells)
    with pytest.raises(TypeError, match="SCVI has no attribution target of the kind 'change'"):
        attribution_target(model, "change", perturbation="A")
    with pytest.raises(TypeError, match="SCVI has no attribution target of the kind 'logit'"):
        attribution_target(model, "logit")
    with pytest.raises(TypeError, match=r"takes no \['perturbation'\]"):
        attribution_target(model, "latent", perturbation="A")
    with pytest.raises(TypeError, match=r"that takes \['perturbation'\]"):
        decoder_target(model, perturbation="A")
