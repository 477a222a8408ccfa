from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from sklearn.metrics import adjusted_rand_score

import scpi

pytestmark = pytest.mark.smoke("scanpy", "scvi")

TRAIN = {"max_epochs": 10, "max_cluster_epochs": 2, "accelerator": "cpu"}


@pytest.fixture
def adata():
    return scpi.datasets.splat(80, n_genes=150, de_prob=0.5, de_fac_scale=0.6, rng=1234)


@pytest.mark.parametrize("model", ["contrastive_sc", "scdeepcluster", "sczidesk"])
def test_one_call_writes_clusters_and_embedding(adata, model):
    before = adata.copy()
    assert scpi.tl.cluster(adata, model, n_clusters=2, train_kwargs=TRAIN, rng=3) is None
    labels = adata.obs["cluster"]
    assert labels.cat.categories.tolist() == ["0", "1"]
    assert adjusted_rand_score(adata.obs["group"], labels) == 1.0
    assert adata.obsm["X_cluster"].shape == (80, 16)
    assert adata.obsm["X_cluster"].dtype == np.float32
    params = adata.uns["cluster"]["params"]
    assert params["clustering"].lower() == model.replace("_", "")
    assert (params["n_clusters"], params["seed"]) == (2, 3)
    # Nothing else is written, and the setup of the network stays with it.
    assert set(adata.uns) - set(before.uns) == {"cluster"}
    assert set(adata.obs) - set(before.obs) == {"cluster"}


def test_results_are_those_of_the_model(adata):
    scpi.tl.cluster(adata, "contrastive_sc", n_clusters=2, n_latent=5, train_kwargs=TRAIN, rng=3)
    other = adata.copy()
    scpi.model.ContrastiveSC.setup_anndata(other)
    model = scpi.model.ContrastiveSC(other, n_clusters=2, n_latent=5, seed=3)
    model.train(**TRAIN, enable_progress_bar=False)
    np.testing.assert_array_equal(adata.obsm["X_cluster"], model.get_latent_representation())
    np.testing.assert_array_equal(adata.obs["cluster"], model.predict())


def test_a_trained_model_is_not_trained_again(adata):
    train = adata[:60].copy()
    scpi.model.SCZIDesk.setup_anndata(train)
    model = scpi.model.SCZIDesk(train, n_clusters=2)
    model.train(**TRAIN, enable_progress_bar=False)
    centroids = model.module.centroids.detach().clone()
    scpi.tl.cluster(adata, model, key_added="mine")
    np.testing.assert_array_equal(adata.obs["mine"], model.predict(adata))
    np.testing.assert_array_equal(model.module.centroids.detach(), centroids)
    assert adata.obsm["X_mine"].shape == (80, 16)
    assert adata.uns["mine"]["params"]["clustering"] == "SCZIDesk"
    with pytest.raises(ValueError, match="has its own n_clusters, layer"):
        scpi.tl.cluster(adata, model, n_clusters=3, layer="counts")


def test_a_copy_leaves_the_data_alone(adata):
    before = adata.copy()
    result = scpi.tl.cluster(adata, "contrastive_sc", n_clusters=2, train_kwargs=TRAIN, copy=True)
    assert "cluster" in result.obs
    assert adata.obs.equals(before.obs)
    assert set(adata.uns) == set(before.uns)
    assert "X_cluster" not in adata.obsm


def test_a_generator_advances_and_a_seed_repeats(adata):
    def run(rng):
        return scpi.tl.cluster(adata, "contrastive_sc", n_clusters=2, train_kwargs=TRAIN, rng=rng, copy=True).obsm[
            "X_cluster"
        ]

    generator = np.random.default_rng(0)
    first, second = run(generator), run(generator)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(run(np.random.default_rng(0)), first)
    np.testing.assert_array_equal(run(5), run(5))


def test_a_layer_size_factors_and_labels(adata):
    adata.layers["counts"] = adata.X.copy()
    adata.X = adata.X / 3
    adata.obs["depth"] = np.asarray(adata.layers["counts"].sum(1)).ravel()
    columns = {"layer": "counts", "size_factor_key": "depth", "labels_key": "group"}
    scpi.tl.cluster(adata, "contrastive_sc", n_clusters=2, train_kwargs=TRAIN, **columns)
    assert {key: adata.uns["cluster"]["params"][key] for key in columns} == columns
    without = adata.copy()
    del without.layers["counts"]
    with pytest.raises(ValueError, match="fractional"):
        scpi.tl.cluster(without, n_clusters=2, train_kwargs=TRAIN)
    with pytest.raises(KeyError, match="no column 'deep'"):
        scpi.tl.cluster(adata, layer="counts", size_factor_key="deep")
    with pytest.raises(KeyError, match="has no 'raw'"):
        scpi.tl.cluster(adata, layer="raw")


def test_results_survive_files(adata, tmp_path):
    scpi.tl.cluster(adata, "contrastive_sc", n_clusters=2, train_kwargs=TRAIN, n_hidden=(30, 20))
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for read in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        assert read.obs["cluster"].tolist() == adata.obs["cluster"].tolist()
        assert read.uns["cluster"]["params"]["clustering"] == "ContrastiveSC"
        np.testing.assert_array_equal(read.uns["cluster"]["params"]["n_hidden"], [30, 20])


def test_a_modality_of_a_mudata(adata):
    mdata = MuData({"rna": adata, "other": ad.AnnData(np.ones((80, 1)), obs=pd.DataFrame(index=adata.obs_names))})
    scpi.tl.cluster(mdata, "contrastive_sc", n_clusters=2, train_kwargs=TRAIN, mod="rna")
    assert "cluster" in mdata["rna"].obs
    assert "cluster" not in mdata["other"].obs


def test_what_cannot_be(adata):
    with pytest.raises(ValueError, match=r"`model` must be one of \['contrastive_sc'.*got 'leiden'"):
        scpi.tl.cluster(adata, "leiden")
    with pytest.raises(TypeError, match="not PCA"):
        from sklearn.decomposition import PCA

        scpi.tl.cluster(adata, PCA())
    with pytest.raises(ValueError, match="80 cells are too few for 81 clusters"):
        scpi.tl.cluster(adata, n_clusters=81)
    assert "cluster" not in adata.obs
    assert "cluster" not in adata.uns


@pytest.mark.parametrize("name", ["covariates", "continuous_covariate_keys", "batch"])
def test_what_is_corrected_for_is_named(adata, name):
    with pytest.raises(TypeError, match=f"no option '{name}'.*`batch_key=`.*`size_factor_key=`"):
        scpi.tl.cluster(adata, n_clusters=2, **{name: "x"})
