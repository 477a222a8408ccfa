from __future__ import annotations

import numpy as np
import pytest
from scvi.criticism import PosteriorPredictiveCheck

import scpi
from scpi.model.base import KEYS


@pytest.mark.parametrize("preset", ["scpi", "op3"])
@pytest.mark.parametrize("sized", [False, True])
def test_parameters_are_those_of_the_likelihood(cells, train, preset, sized):
    cells = cells[::5].copy()
    cells.obs["size"] = np.linspace(1.0, 2.0, cells.n_obs)
    small = {"preset": preset, "encoder_hidden": (8,), "decoder_hidden": (8,)}
    model = train(cells, {"size_factor_key": "size"} if sized else {}, max_epochs=2, **small)
    found = model.get_likelihood_parameters()
    (tensors,) = model._batches(cells)
    z = tensors[KEYS.X].new_tensor(model.get_latent_representation())
    decoded = model.module.decode(z, *model.module.covariates_of(tensors))[0].exp()
    expected = decoded * model.module.size(tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR))
    np.testing.assert_allclose(found["mean"], expected.detach(), rtol=1e-4)
    np.testing.assert_allclose(found["dispersions"][7], model.module.log_theta.exp().detach(), rtol=1e-5)


def test_means_agree_with_the_expression(model):
    found = model.get_likelihood_parameters(indices=[4, 2], batch_size=1)
    expected = model.get_normalized_expression(indices=[4, 2], library_size="latent")
    np.testing.assert_allclose(found["mean"], expected, rtol=1e-4)
    several = model.get_likelihood_parameters(indices=[4, 2], n_samples=3)
    assert several["mean"].shape == several["dispersions"].shape == (3, 2, 100)
    averaged = model.get_likelihood_parameters(indices=[4, 2], n_samples=3, give_mean=True)
    np.testing.assert_allclose(averaged["mean"], several["mean"].mean(0), rtol=1e-5)


def test_draws_have_the_moments_of_the_likelihood(model):
    draws = model.posterior_predictive_sample(indices=[0], n_samples=400)
    assert draws.shape == (1, 100, 400)
    found = np.asarray(draws.todense())[0]
    assert (found % 1 == 0).all()
    parameters = model.get_likelihood_parameters(indices=[0], n_samples=400)
    mean, theta = parameters["mean"][:, 0], parameters["dispersions"][0, 0]
    variance = (mean + mean**2 / theta).mean(0) + mean.var(0)
    assert (np.abs(found.mean(1) - mean.mean(0)) < 6 * np.sqrt(variance / 400)).all()
    np.testing.assert_allclose(np.median(found.var(1) / variance), 1.0, atol=0.1)


@pytest.mark.smoke("sparse")
def test_genes_seeds_and_one_draw(model):
    one = model.posterior_predictive_sample(gene_list=["g9", "g1"])
    assert one.shape == (300, 2)
    again = model.posterior_predictive_sample(gene_list=["g9", "g1"])
    assert (one != again).nnz == 0 and (one != model.posterior_predictive_sample(gene_list=["g9", "g1"], rng=1)).nnz > 0
    with pytest.raises(KeyError, match="no gene 'g999'"):
        model.posterior_predictive_sample(gene_list=["g999"])


@pytest.mark.slow
def test_a_check_of_scvi_tools(model):
    adata = model.adata.copy()
    adata.layers["whole"] = adata.X.astype(int)
    check = PosteriorPredictiveCheck(adata, {"NBVAE": model}, count_layer_key="whole", n_samples=5)
    check.coefficient_of_variation("features")
    (found,) = check.metrics.values()
    raw, draws = adata.X.toarray(), model.posterior_predictive_sample(n_samples=5).todense()
    for name, counts in {"Raw": raw[..., None], "NBVAE": np.asarray(draws)}.items():
        expected = (counts.std(axis=1) / counts.mean(axis=1)).mean(axis=-1)
        np.testing.assert_allclose(found[name].median(), np.median(expected), rtol=0.05)


def test_representations_without_an_encoder(cells):
    cells = cells[::5].copy()
    scpi.model.DGD.setup_anndata(cells)
    model = scpi.model.DGD(cells, n_latent=2, n_components=1, seed=0)
    model.train(max_epochs=2, accelerator="cpu", enable_progress_bar=False)
    parameters = model.get_likelihood_parameters()
    expected = model.get_normalized_expression(library_size="latent")
    np.testing.assert_allclose(parameters["mean"], expected, rtol=1e-4)
    draws = model.posterior_predictive_sample(n_samples=20)
    assert np.asarray(draws.todense()).mean() == pytest.approx(parameters["mean"].mean(), rel=0.1)
