from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scanpy as sc

import scpi

SETUP = {"batch_key": "half", "categorical_covariate_keys": ["group"], "labels_key": "group"}
COUNTS = "needs the counts of the cells, which `minify_adata` removed"


@pytest.fixture(scope="module")
def full(cells, train):
    return train(cells.copy(), SETUP, max_epochs=3)


@pytest.fixture
def mini(full, tmp_path):
    """The same model with minified data."""
    full.save(tmp_path / "full", save_anndata=True)
    model = scpi.model.NBVAE.load(tmp_path / "full")
    model.minify_adata()
    return model


def plan():
    return pd.DataFrame({"half": ["x", "y"], "group": "A", "n_cells": 30})


def check_same(model, full):
    np.testing.assert_array_equal(model.get_latent_representation(), full.get_latent_representation())
    for options in ({}, {"indices": [3, 1], "library_size": "latent"}, {"half": "x", "n_samples": 4}):
        expected = full.get_normalized_expression(**options)
        pd.testing.assert_frame_equal(model.get_normalized_expression(**options), expected, rtol=1e-4)
    pd.testing.assert_frame_equal(model.predict_labels(), full.predict_labels(), rtol=1e-4)
    assert (model.generate(plan()).X != full.generate(plan()).X).nnz == 0


def test_what_the_posterior_determines_is_the_same(mini, full):
    assert mini.adata.X.nnz == 0 and full.adata.X.nnz > 0
    assert mini.minified_data_type == "latent_posterior_parameters" and full.minified_data_type is None
    check_same(mini, full)
    options = {"groupby": "group", "all_stats": False, "pseudocounts": 1e-5, "group1": "B"}
    expected = full.differential_expression(**options)
    pd.testing.assert_frame_equal(mini.differential_expression(**options), expected, rtol=1e-3, atol=1e-3)


def test_a_saved_model_with_its_data_is_small(mini, full, tmp_path):
    mini.save(tmp_path / "mini", save_anndata=True)
    loaded = scpi.model.NBVAE.load(tmp_path / "mini")
    assert loaded.minified_data_type == "latent_posterior_parameters"
    check_same(loaded, full)
    # Counts of cells are most of a file
    sizes = [(tmp_path / name / "adata.h5ad").stat().st_size for name in ("mini", "full")]
    assert sizes[0] < 0.7 * sizes[1]


def test_either_model_takes_either_data(mini, full, tmp_path):
    mini.save(tmp_path / "mini")
    whole = scpi.model.NBVAE.load(tmp_path / "mini", full.adata.copy())
    assert whole.minified_data_type is None
    check_same(whole, full)
    assert whole.get_elbo() == pytest.approx(full.get_elbo(), rel=1e-5)
    np.testing.assert_array_equal(full.get_latent_representation(mini.adata), full.get_latent_representation())


def test_new_cells_are_encoded(mini, full):
    new = full.adata[:20].copy()
    np.testing.assert_allclose(
        mini.get_latent_representation(new), full.get_latent_representation(indices=range(20)), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("train", {"max_epochs": 1}),
        ("get_elbo", {}),
        ("get_reconstruction_error", {}),
        ("get_likelihood_parameters", {}),
        ("posterior_predictive_sample", {}),
        ("counterfactual", {"group": "A"}),
        ("differential_expression", {"groupby": "group"}),
        ("differential_expression", {"groupby": "group", "all_stats": False}),
        ("minify_adata", {}),
    ],
)
def test_what_needs_counts_is_refused(mini, method, arguments):
    with pytest.raises(ValueError, match=COUNTS):
        getattr(mini, method)(**arguments)


def test_attributions_of_minified_cells_are_refused(cells, train, tmp_path):
    model = train(cells[::5].copy(), max_epochs=1)
    model.minify_adata()
    with pytest.raises(ValueError, match=COUNTS):
        scpi.tl.saliency(model.adata, model, groupby="group")


def test_counts_may_stay(full, tmp_path):
    full.save(tmp_path / "full", save_anndata=True)
    model = scpi.model.NBVAE.load(tmp_path / "full")
    model.minify_adata("latent_posterior_parameters_with_counts")
    check_same(model, full)
    assert model.get_elbo() == pytest.approx(full.get_elbo(), rel=1e-5)
    assert (model.adata.X != full.adata.X).nnz == 0


def test_the_posterior_of_another_model_is_not_taken_for_its_own(mini, full, cells, train, tmp_path):
    other = train(cells.copy(), SETUP, max_epochs=1)
    with pytest.raises(ValueError, match="minified by another model"):
        other.get_latent_representation(mini.adata)
    full.save(tmp_path / "again", save_anndata=True)
    model = scpi.model.NBVAE.load(tmp_path / "again")
    model.minify_adata("latent_posterior_parameters_with_counts")
    before = model.get_latent_representation()
    model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    assert np.abs(model.get_latent_representation() - before).max() > 1e-3
    new = model.get_latent_representation(full.adata.copy())
    np.testing.assert_allclose(model.get_latent_representation(), new, rtol=1e-4, atol=1e-6)


def test_bad_input(full, cells):
    with pytest.raises(ValueError, match="`minified_data_type` must be one of 'latent_posterior_parameters'"):
        full.minify_adata("latent")
    before = set(full.adata.obsm), set(full.adata.uns)
    assert not any("latent" in key for part in before for key in part)
    assert sc.get.obs_df(full.adata, ["g1"]).sum().item() > 0
