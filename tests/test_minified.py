from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scvi

import scpi
from scpi._minified import check_has_counts, kind_of


@pytest.fixture(scope="module")
def model():
    """A model of scvi-tools with minified data."""
    adata = scpi.datasets.splat(60, n_genes=20, group_prob=(0.5, 0.5), rng=0)
    scvi.model.SCVI.setup_anndata(adata)
    model = scvi.model.SCVI(adata, n_latent=2)
    model.train(1, accelerator="cpu", enable_progress_bar=False)
    mean, variance = model.get_latent_representation(return_dist=True)
    adata.obsm["X_latent_qzm"], adata.obsm["X_latent_qzv"] = mean, variance
    model.minify_adata()
    return model


def test_the_mark_is_that_of_scvi_tools(model):
    assert kind_of(model.adata) == model.minified_data_type == "latent_posterior_parameters"
    with pytest.raises(ValueError, match="which `minify_adata` removed"):
        check_has_counts(model.adata)
    model.adata.uns["_scvi_adata_minify_type"] = "latent_posterior_parameters_with_counts"
    check_has_counts(model.adata)
    model.adata.uns["_scvi_adata_minify_type"] = "latent_posterior_parameters"
    whole = ad.AnnData(np.ones((2, 3)))
    check_has_counts(whole)
    assert kind_of(whole) is None


def test_attributions_need_counts(model):
    with pytest.raises(ValueError, match="which `minify_adata` removed"):
        scpi.tl.saliency(model.adata, model, groupby="group")
