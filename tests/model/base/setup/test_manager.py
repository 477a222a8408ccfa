from __future__ import annotations

import anndata as ad
import mudata as md
import numpy as np
import pytest

import scpi

NAME = "SCZIDesk"


@pytest.fixture
def counted():
    return scpi.datasets.splat(60, n_genes=40, group_prob=(0.5, 0.5), de_prob=0.5, rng=0)


def normalised(adata):
    """The same cells as they are after the usual steps."""
    adata = ad.AnnData(np.log1p(adata.X.toarray()), obs=adata.obs.copy(), var=adata.var[[]], layers={"counts": adata.X})
    adata.layers["counts"] = adata.layers["counts"].copy()
    return adata


def without_layers(adata):
    return ad.AnnData(adata.X.copy(), obs=adata.obs.copy(), var=adata.var[[]])


def model_of(adata):
    cls = getattr(scpi.model, NAME)
    if isinstance(adata, md.MuData):
        cls.setup_mudata(adata, modalities={"layer": "rna"})
    else:
        cls.setup_anndata(adata)
    model = cls(adata, n_clusters=2, seed=0)
    model.train(max_epochs=1, max_cluster_epochs=1, enable_progress_bar=False, accelerator="cpu")
    return model


def test_the_registry_says_which_layer_is_read(counted):
    for adata, layer in ((normalised(counted), "counts"), (without_layers(counted), None)):
        model = model_of(adata)
        assert model.registry["setup_args"]["layer"] == layer
        assert model.adata_manager.registry["setup_args"]["layer"] == layer
        assert model.registry["field_registries"]["X"]["data_registry"]["attr_key"] == layer


@pytest.mark.parametrize("first", [normalised, without_layers])
@pytest.mark.parametrize("second", [normalised, without_layers])
def test_new_cells_may_have_their_counts_in_the_other_place(first, second, counted, tmp_path):
    model = model_of(first(counted))
    expected = model.get_latent_representation()
    new = second(counted)
    np.testing.assert_array_equal(model.get_latent_representation(new), expected)
    # A second model of the same cells, and a copy of them
    np.testing.assert_array_equal(model.get_latent_representation(new.copy()), expected)
    np.testing.assert_array_equal(model.get_latent_representation(new[:20]), expected[:20])
    np.testing.assert_array_equal(model.get_latent_representation(), expected)
    layer = "counts" if "counts" in new.layers else None
    assert model.get_anndata_manager(new).registry["setup_args"]["layer"] == layer
    model.save(tmp_path / "model")
    for loaded in (
        type(model).load(tmp_path / "model", adata=second(counted), accelerator="cpu"),
        type(model).load(tmp_path / "model", adata=False, accelerator="cpu"),
    ):
        np.testing.assert_array_equal(loaded.get_latent_representation(second(counted)), expected)
    scpi.tl.saliency(new, model, n_cells=10)
    assert new.uns["saliency"]["params"].get("layer") == layer


def test_cells_without_counts_are_refused_as_before(counted):
    model = model_of(normalised(counted))
    logs = normalised(counted)
    del logs.layers["counts"]
    with pytest.raises(KeyError, match="has no 'counts'"):
        model.get_latent_representation(logs)
    with pytest.raises(ValueError, match=r"`adata\.X` holds fractional values.*layer="):
        model_of(logs)


def test_the_modality_of_a_mudata_has_the_same_rule(counted):
    make = lambda kind: md.MuData({"rna": kind(counted)})  # noqa: E731
    model = model_of(make(normalised))
    assert model.registry["setup_args"]["layer"] == "counts"
    expected = model.get_latent_representation()
    np.testing.assert_array_equal(model.get_latent_representation(make(without_layers)), expected)


def test_a_reference_of_gene_programs_takes_queries_of_either_kind(counted):
    adata = normalised(counted)
    adata.obs["batch"] = np.tile(["x", "y"], 30)
    scpi.model.GeneProgramAE.setup_anndata(adata, batch_key="batch")
    model = scpi.model.GeneProgramAE(adata, n_units=3)
    model.train(max_epochs=1, enable_progress_bar=False, accelerator="cpu")
    assert model.registry["setup_args"]["layer"] == "counts"
    new = without_layers(counted)[:, ::-1].copy()
    new.obs["batch"] = adata.obs["batch"]
    prepared = model.prepare_query_anndata(new, model)
    np.testing.assert_allclose(
        model.get_latent_representation(prepared), model.get_latent_representation(), rtol=1e-4, atol=1e-5
    )
