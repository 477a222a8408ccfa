"""Attributions of latent units in AnnData."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import scvi
import zarr
from anndata.io import read_elem
from mudata import MuData

import scpi
from scpi.attribution import attribute_cells, decoder_effect, latent_traversal
from scpi.model import attribution_target, decoder_target

N_CELLS, N_GENES, N_UNITS = 80, 40, 3


@pytest.fixture(scope="module")
def cells():
    adata = scpi.datasets.splat(N_CELLS, n_genes=N_GENES, group_prob=(0.5, 0.3, 0.2), rng=0)
    adata.obs["label"] = adata.obs["group"].astype(object)
    adata.obs.loc[adata.obs_names[::7], "label"] = None
    return adata


@pytest.fixture(scope="module")
def model(cells):
    scpi.model.SCDeepCluster.setup_anndata(cells)
    model = scpi.model.SCDeepCluster(cells, n_clusters=2, n_latent=N_UNITS, seed=0)
    model.train(2, max_cluster_epochs=1, accelerator="cpu", enable_progress_bar=False)
    return model


@pytest.fixture(scope="module")
def other(cells):
    """Model of scvi-tools."""
    adata = cells.copy()
    scvi.model.SCVI.setup_anndata(adata)
    model = scvi.model.SCVI(adata, n_latent=N_UNITS, n_hidden=16)
    model.train(2, accelerator="cpu", enable_progress_bar=False, logger=False)
    return model


def of_cells(model, cells, method, **options):
    """Units x cells x genes."""
    if method == "decoder_effect":
        latent = model.get_latent_representation(cells)
        codes = np.arange(cells.n_obs)
        return decoder_effect(decoder_target(model), latent, codes).mean.transpose(1, 0, 2)
    if method == "latent_traversal":
        written = np.zeros((N_UNITS, cells.n_obs, cells.n_vars))

        def write(j, rows, values):
            written[j, rows] = values

        latent_traversal(decoder_target(model), model.get_latent_representation(cells), write=write, **options)
        return written
    return attribute_cells(attribution_target(model, "latent"), cells.X, method=method, **options).values


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "decoder_effect", "latent_traversal"])
def test_means_of_all_cells_and_of_groups(cells, model, method):
    found = scpi.tl.saliency(cells, model, method=method, groupby="label", absolute=True, copy=True)
    values = of_cells(model, cells, method).astype(float)
    scale = np.abs(values).max()
    np.testing.assert_allclose(found.varm["saliency"], values.mean(1).T, atol=1e-5 * scale)
    np.testing.assert_allclose(found.varm["saliency_abs"], np.abs(values).mean(1).T, atol=1e-5 * scale)
    assert found.varm["saliency"].columns.tolist() == ["latent_0", "latent_1", "latent_2"]
    assert (found.varm["saliency"].dtypes == np.float32).all()
    groups = found.uns["saliency"]["groups"]
    assert groups.tolist() == ["Group1", "Group2", "Group3"]
    assert found.varm["saliency_groups"].shape == (N_GENES, N_UNITS, 3)
    for k, group in enumerate(groups):
        expected = values[:, (cells.obs["label"] == group).to_numpy()].mean(1).T
        np.testing.assert_allclose(found.varm["saliency_groups"][:, :, k], expected, atol=1e-5 * scale)
    params = found.uns["saliency"]["params"]
    assert params["model"] == "SCDeepCluster"
    assert params["n_cells"] == N_CELLS
    if method == "integrated_gradients":
        assert 0 < params["completeness_error"] < 0.01
    else:
        assert "completeness_error" not in params


def test_guided_gradients_are_absolute_as_in_the_paper(cells, model):
    found = scpi.tl.saliency(cells, model, method="guided", groupby="group", copy=True)
    values = np.abs(of_cells(model, cells, "guided"))
    np.testing.assert_allclose(found.varm["saliency"], values.mean(1).T, rtol=1e-4)
    first = (cells.obs["group"] == "Group1").to_numpy()
    np.testing.assert_allclose(found.varm["saliency_groups"][:, :, 0], values[:, first].mean(1).T, rtol=1e-4)
    assert not found.uns["saliency"]["params"]["signed"]
    assert "saliency_abs" not in found.varm


@pytest.mark.parametrize("method", ["integrated_gradients", "expected_gradients", "deeplift"])
def test_contributions_against_the_mean_cell_cancel_and_say_so(cells, model, method):
    with pytest.warns(UserWarning, match="cancel in the mean over these cells"):
        found = scpi.tl.saliency(cells, model, method=method, copy=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        sizes = scpi.tl.saliency(cells, model, method=method, absolute=True, copy=True).varm["saliency_abs"]
        scpi.tl.saliency(cells, model, method=method, groupby="group", copy=True)
        scpi.tl.saliency(cells, model, method=method, baseline=np.ones(N_GENES), copy=True)
        scpi.tl.saliency(cells, model, copy=True)
    assert found.varm["saliency"].abs().to_numpy().sum() < 0.3 * sizes.to_numpy().sum()


@pytest.mark.parametrize("method", ["gradient", "decoder_effect"])
def test_cells_are_stored_as_they_are_found(cells, model, method, tmp_path):
    path = tmp_path / "cells.zarr"
    found = scpi.tl.saliency(
        cells, model, method=method, units=["latent_2", 0], n_cells=50, store=path, batch_size=13, copy=True
    )
    stored = zarr.open_group(str(path), mode="r")
    names = read_elem(stored["cells"])
    assert stored["saliency"].shape == (2, 50, N_GENES)
    assert read_elem(stored["units"]).tolist() == ["latent_2", "latent_0"]
    assert read_elem(stored["genes"]).tolist() == cells.var_names.tolist()
    rows = cells.obs_names.get_indexer(names)
    assert (np.diff(rows) > 0).all()
    expected = of_cells(model, cells, method)[[2, 0]][:, rows]
    np.testing.assert_allclose(stored["saliency"][:], expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(found.varm["saliency"], stored["saliency"][:].mean(1).T, atol=1e-6)
    assert found.varm["saliency"].columns.tolist() == ["latent_2", "latent_0"]


def test_a_store_is_neither_overwritten_nor_left_half_written(cells, model, tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(FileExistsError, match="give a new path"):
        scpi.tl.saliency(cells, model, store=taken)
    with pytest.raises(ValueError, match="genes"):
        scpi.tl.saliency(cells, model, method="deeplift", baseline=np.ones(3), store=tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert "saliency" not in cells.varm


@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_files_hold_what_is_written(cells, model, tmp_path, form):
    found = scpi.tl.saliency(
        cells, model, method="integrated_gradients", n_steps=4, groupby="group", absolute=True, copy=True
    )
    path = tmp_path / f"cells.{form}"
    getattr(found, f"write_{form}")(path)
    read = getattr(ad, f"read_{form}")(path)
    for key in ("saliency", "saliency_abs", "saliency_groups"):
        np.testing.assert_array_equal(read.varm[key], found.varm[key])
    assert read.varm["saliency"].columns.tolist() == found.varm["saliency"].columns.tolist()
    assert read.uns["saliency"]["units"].tolist() == found.uns["saliency"]["units"].tolist()
    assert read.uns["saliency"]["params"]["method"] == "integrated_gradients"
    assert read.uns["saliency"]["params"]["n_steps"] == 4


def test_a_new_call_leaves_nothing_of_the_one_before(cells, model):
    found = scpi.tl.saliency(cells, model, groupby="group", absolute=True, copy=True)
    scpi.tl.saliency(found, model, method="decoder_effect")
    assert set(found.varm) == {*cells.varm, "saliency"}
    scpi.tl.saliency(found, model, groupby="group", key_added="mine")
    assert {"mine", "mine_groups"} < set(found.varm)
    assert "mine" in found.uns


def test_models_of_scvi_tools(cells, other):
    found = other.adata.copy()
    scpi.tl.saliency(found, other, method="gradient")
    np.testing.assert_allclose(found.varm["saliency"], of_cells(other, cells, "gradient").mean(1).T, atol=1e-5)
    scpi.tl.saliency(found, other, method="latent_traversal", low=0.2, high=0.8)
    expected = of_cells(other, found, "latent_traversal", low=0.2, high=0.8)
    np.testing.assert_allclose(found.varm["saliency"], expected.mean(1).T, atol=1e-5)
    with pytest.raises(ValueError, match="it has no 'Gene1'|trained on 40 genes"):
        renamed = found.copy()
        renamed.var_names = [f"x{i}" for i in range(N_GENES)]
        scpi.tl.saliency(renamed, other)


def test_units_are_named_by_the_decoder_where_there_is_one(cells, model, other):
    for one in (model, other):
        default, effect = (
            scpi.tl.saliency(one.adata, one, copy=True, **options) for options in ({}, {"method": "decoder_effect"})
        )
        assert default.uns["saliency"]["params"]["method"] == "decoder_effect"
        np.testing.assert_array_equal(default.varm["saliency"], effect.varm["saliency"])
    scpi.model.ContrastiveSC.setup_anndata(cells)
    encoder = scpi.model.ContrastiveSC(cells, n_clusters=2, n_latent=N_UNITS, seed=0)
    encoder.train(1, accelerator="cpu", enable_progress_bar=False)
    found = scpi.tl.saliency(cells, encoder, copy=True)
    assert found.uns["saliency"]["params"]["method"] == "gradient"
    np.testing.assert_allclose(found.varm["saliency"], of_cells(encoder, cells, "gradient").mean(1).T, atol=1e-5)


def test_a_senavae_has_units(cells):
    adata = cells[:60].copy()
    adata.obs["perturbation"] = np.where(np.arange(60) % 2, "control", "A")
    scpi.model.SENAVAE.setup_anndata(adata, perturbation_key="perturbation", control="control")
    model = scpi.model.SENAVAE(adata, preset="zhang", n_factors=2, likelihood="nb", seed=0)
    model.train(1, accelerator="cpu", enable_progress_bar=False)
    scpi.tl.saliency(adata, model)
    assert adata.varm["saliency"].columns.tolist() == ["factor_0", "factor_1"]
    assert adata.uns["saliency"]["params"]["method"] == "gradient"
    with pytest.raises(TypeError, match="SENAVAE has no decoder"):
        scpi.tl.saliency(adata, model, method="decoder_effect")


def test_a_modality(cells):
    mdata = MuData({"rna": cells.copy()})
    scpi.model.SCDeepCluster.setup_mudata(mdata, modalities={"layer": "rna"})
    model = scpi.model.SCDeepCluster(mdata, n_clusters=2, n_latent=N_UNITS, seed=0)
    model.train(1, max_cluster_epochs=0, accelerator="cpu", enable_progress_bar=False)
    result = scpi.tl.saliency(mdata, model, mod="rna", groupby="group", copy=True)
    assert result.mod["rna"].varm["saliency"].shape == (N_GENES, N_UNITS)
    assert "saliency" not in mdata.mod["rna"].varm


def test_a_group_of_which_no_cell_was_taken_has_no_mean(cells, model):
    adata = cells.copy()
    left_out = np.setdiff1d(np.arange(N_CELLS), np.random.default_rng(0).choice(N_CELLS, 10, replace=False))
    adata.obs["rare"] = np.where(np.arange(N_CELLS) == left_out[0], "z", "a")
    found = scpi.tl.saliency(adata, model, groupby="rare", n_cells=10, rng=0, copy=True)
    assert np.isnan(found.varm["saliency_groups"][:, :, 1]).all()
    assert np.isfinite(found.varm["saliency"]).all(axis=None)
    assert found.uns["saliency"]["params"]["n_cells"] == 10


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "magic"}, ValueError, "'decoder_effect', 'latent_traversal', 'deeplift'"),
        ({"method": "decoder_effect", "baseline": "zero"}, TypeError, "no option 'baseline'"),
        ({"method": "gradient", "n_steps": 3}, TypeError, "no option 'n_steps'"),
        ({"units": ["latent_9"]}, ValueError, "no unit 'latent_9', only 'latent_0'"),
        ({"units": [3]}, ValueError, "no unit '3'"),
        ({"units": []}, ValueError, "no unit nothing"),
        ({"n_cells": 0}, ValueError, "`n_cells` must be at least 1"),
        ({"groupby": "nothing"}, KeyError, "no column 'nothing'"),
    ],
)
def test_bad_input_is_named(cells, model, arguments, error, message):
    with pytest.raises(error, match=message):
        scpi.tl.saliency(cells, model, **arguments)
    assert "saliency" not in cells.varm


def test_other_genes_are_refused(cells, model):
    with pytest.raises(ValueError, match="genes"):
        scpi.tl.saliency(cells[:, ::-1].copy(), model)


def test_a_model_must_be_trained(cells):
    model = scpi.model.SCDeepCluster(cells, n_clusters=2)
    with pytest.raises(RuntimeError, match="train"):
        scpi.tl.saliency(cells, model)
