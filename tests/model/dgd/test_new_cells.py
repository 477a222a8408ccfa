from __future__ import annotations

import logging
import re

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import scpi


@pytest.fixture(scope="module")
def model(cells, train):
    setup = {"batch_key": "batch", "categorical_covariate_keys": ["site"], "continuous_covariate_keys": ["age"]}
    return train(cells[:200].copy(), setup, max_epochs=40, n_components=3, n_latent=4)


@pytest.fixture(scope="module")
def new(cells):
    return cells[200:].copy()


@pytest.fixture(scope="module")
def z(model, new):
    return model.get_latent_representation(new)


def test_new_cells_fit_as_well_as_those_trained_on(model, new):
    loss = model.get_cell_loss(new).mean()
    assert loss < 1.02 * model.get_cell_loss().mean()


def test_cells_that_were_trained_on_have_the_trained_representations(model):
    stored = model.module.representations.weight.detach().numpy()
    np.testing.assert_array_equal(model.get_latent_representation(), stored)
    np.testing.assert_array_equal(model.get_latent_representation(indices=[7, 3]), stored[[7, 3]])
    # Also from a copy of the data; other cells, or the same with other counts, are new
    np.testing.assert_array_equal(model.get_latent_representation(model.adata.copy()), stored)
    other = model.adata.copy()
    other.X = other.X[::-1].copy()
    assert np.abs(model.get_latent_representation(other) - stored).max() > 0.1


def test_genes_may_be_fewer_and_in_another_order(model, new, z):
    mixed = new[:, np.random.default_rng(0).permutation(new.n_vars)].copy()
    np.testing.assert_allclose(model.get_latent_representation(mixed), z, atol=1e-4)
    fewer = mixed[:, : int(0.8 * new.n_vars)].copy()
    found = model.get_latent_representation(fewer)
    noise = model.get_latent_representation(_resampled(new)) - z
    assert np.square(found - z).mean() < np.square(noise).mean()
    # The expression of missing genes is decoded, and the fractions are those of all genes
    decoded = model.get_normalized_expression(fewer)
    assert decoded.columns.tolist() == model.var_names_
    np.testing.assert_allclose(decoded.sum(1), 1.0, rtol=1e-4)
    missing = new.var_names.difference(fewer.var_names)
    whole = model.get_normalized_expression(new)
    assert np.corrcoef(decoded[missing].to_numpy().ravel(), whole[missing].to_numpy().ravel())[0, 1] > 0.95
    with pytest.raises(ValueError, match=r"None of the 120 genes of the model is in `adata\.var_names`"):
        model.get_latent_representation(ad.AnnData(np.ones((2, 2))))


def _resampled(adata):
    """The cells with other counts of the same expectation."""
    rng = np.random.default_rng(1)
    other = adata.copy()
    counts = adata.X.toarray() if sparse.issparse(adata.X) else adata.X
    other.X = rng.poisson(counts).astype(np.float32)
    return other


@pytest.mark.parametrize("unseen", ["average", "fit"])
def test_an_unseen_category_is_read_as_known_ones(model, new, unseen):
    other = new.copy()
    other.obs["batch"], other.obs["site"] = "later", "east"
    loss = model.get_cell_loss(other, unseen=unseen).mean()
    assert loss < 1.02 * model.get_cell_loss(new).mean()
    # Cells without a batch are of an unknown one
    if unseen == "average":
        del other.obs["batch"]
        np.testing.assert_allclose(model.get_cell_loss(other).mean(), loss, rtol=1e-5)


def test_an_unseen_category_can_be_refused(model, new):
    other = new.copy()
    other.obs["batch"] = "later"
    with pytest.raises(ValueError, match=r"not trained on these categories: 'batch': 'later'.*unseen='average'"):
        model.get_latent_representation(other, unseen="error")
    with pytest.raises(ValueError, match="`unseen` must be one of 'average', 'fit', 'error', got 'mean'"):
        model.get_latent_representation(other, unseen="mean")
    assert model.get_latent_representation(new, unseen="error").shape == (new.n_obs, 4)


def test_it_is_said_how_many_steps_there_were_and_whether_they_were_enough(model, new, caplog):
    logger = logging.getLogger("scpi")
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO, logger="scpi"):
            model.get_latent_representation(new)
            model.get_latent_representation(new[:, 10:].copy(), n_steps=2)
    finally:
        logger.removeHandler(caplog.handler)
    text = caplog.text
    assert "Representations of 40 new cells after 100 steps: 40 have converged." in text
    assert "10 of the 120 genes of the model are missing" in text
    assert re.search(r"after 2 steps: \d{1,2} have converged; more steps \(`n_steps`\) may help the others\.", text)


def test_no_cells_have_no_representations(model, new):
    assert model.get_latent_representation(new, indices=[]).shape == (0, 4)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_the_form_of_the_matrix_does_not_matter(model, new, z, convert):
    other = new.copy()
    other.X = convert(new.X.toarray() if sparse.issparse(new.X) else new.X)
    np.testing.assert_allclose(model.get_latent_representation(other, batch_size=16), z, atol=3e-3)
    np.testing.assert_allclose(model.get_latent_representation(new[:5]), z[:5], atol=3e-3)


def test_a_loaded_model_does_not_take_other_cells_for_its_own(model, new, z, tmp_path):
    model.save(tmp_path / "model", save_anndata=True)
    again = scpi.model.DGD.load(tmp_path / "model", accelerator="cpu")
    np.testing.assert_array_equal(again.get_latent_representation(), model.get_latent_representation())
    with_others = scpi.model.DGD.load(tmp_path / "model", adata=new.copy(), accelerator="cpu")
    np.testing.assert_allclose(with_others.get_latent_representation(), z, atol=1e-5)
    # The representations of its own are still there
    without = scpi.model.DGD.load(tmp_path / "model", adata=False, accelerator="cpu")
    np.testing.assert_array_equal(
        without.get_latent_representation(model.adata.copy()), model.get_latent_representation()
    )
    later = new.copy()
    later.obs["batch"] = "later"
    loaded = scpi.model.DGD.load(tmp_path / "model", adata=later, accelerator="cpu")
    np.testing.assert_allclose(
        loaded.get_latent_representation(), model.get_latent_representation(later.copy()), atol=1e-5
    )


def test_training_goes_on_with_other_cells(model, new, tmp_path):
    model.save(tmp_path / "model")
    loaded = scpi.model.DGD.load(tmp_path / "model", adata=new.copy(), accelerator="cpu")
    before = loaded.get_cell_loss().mean()
    loaded.train(5, accelerator="cpu", enable_progress_bar=False, train_size=1.0)
    assert loaded.get_latent_representation().shape == (40, 4)
    assert loaded.module.representations.weight.shape == (40, 4)
    assert loaded.get_cell_loss().mean() < before
    # The cells before are new to it now
    assert loaded.get_latent_representation(model.adata.copy()).shape == (200, 4)


def test_expression_is_decoded_under_other_covariates(model, new):
    own = model.get_normalized_expression(new)
    north = model.get_normalized_expression(new, site="north", batch_size=7)
    is_north = (new.obs["site"] == "north").to_numpy()
    np.testing.assert_allclose(north[is_north], own[is_north], rtol=1e-2)
    assert np.abs(np.log(north[~is_north] / own[~is_north])).to_numpy().max() > 1e-3
    with pytest.raises(ValueError, match="has no category 'east'"):
        model.get_normalized_expression(new, site="east")
