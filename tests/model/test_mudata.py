"""Models on several modalities: RNA beside proteins."""

from __future__ import annotations

from functools import cache

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest

import scpi

pytestmark = pytest.mark.smoke("mudata")

MODELS = {"SENAVAE": {"likelihood": "nb"}, "Additive": {}}
OBS = ["perturbation", "batch", "cell_type", "dose", "depth"]
TO_MDATA = {"layer": "rna"}
TO_RNA = {"layer": "rna"} | dict.fromkeys(
    ["perturbation_key", "context_key", "dose_key", "batch_key", "size_factor_key"], "rna"
)
ASKED = {"perturbation": ["A", "B+A"], "context": "T", "dose": 1.0, "n_cells": 6}
# One of means and one of cells: the others take as long again, and read the same
SCORES = ["rmse", "mmd"]
ALL_KEYS = {"context_key": "cell_type", "dose_key": "dose", "batch_key": "batch", "size_factor_key": "depth"}


@pytest.fixture
def make_mdata(make_screen):
    def make(*, labels="mdata", rna_first=True):
        rna = make_screen()
        obs = rna.obs[OBS].copy()
        if labels == "mdata":
            rna.obs = rna.obs.drop(columns=OBS)
        protein = ad.AnnData(
            np.ones((rna.n_obs, 3), dtype=np.float32),
            obs=pd.DataFrame(index=rna.obs_names),
            var=pd.DataFrame(index=["p1", "p2", "p3"]),
        )
        mdata = mudata.MuData({"rna": rna, "protein": protein} if rna_first else {"protein": protein, "rna": rna})
        if labels == "mdata":
            for column in OBS:
                mdata.obs[column] = obs[column].to_numpy()
        return mdata

    return make


@pytest.fixture(params=list(MODELS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def of_anndata(make_screen, build):
    """What the models of the cells alone predict, and their scores; each is trained once."""

    @cache
    def find(name):
        model = build(name, make_screen(), MODELS[name], setup=ALL_KEYS)
        return model.predict(**ASKED, output="mean"), model.evaluate(metrics=SCORES)

    return find


def x_of(predicted):
    return np.asarray(predicted.X)


@pytest.mark.parametrize(("labels", "modalities"), [("mdata", TO_MDATA), ("rna", TO_RNA)])
@pytest.mark.parametrize("rna_first", [True, False])
def test_a_mudata_is_read_as_its_modality(name, labels, modalities, rna_first, make_mdata, of_anndata, build):
    mdata = make_mdata(labels=labels, rna_first=rna_first)
    model = build(name, mdata, MODELS[name], setup=ALL_KEYS | {"modalities": modalities})
    predicted, (wanted, scores) = model.predict(**ASKED, output="mean"), of_anndata(name)
    np.testing.assert_array_equal(x_of(predicted), x_of(wanted))
    assert predicted.obs.equals(wanted.obs)
    assert predicted.var_names.tolist() == [f"g{i}" for i in range(24)]
    pd.testing.assert_frame_equal(model.evaluate(metrics=SCORES), scores)


def test_gene_sets_are_read_from_the_modality(make_mdata, make_screen, build):
    mdata = make_mdata()
    model = build("SENAVAE", mdata, setup={"modalities": TO_MDATA})
    expected = build("SENAVAE", make_screen())
    activity = model.get_pathway_activity()
    pd.testing.assert_frame_equal(activity, expected.get_pathway_activity())
    assert activity.index.tolist() == mdata.obs_names.tolist()
    np.testing.assert_array_equal(model.get_latent_representation(), expected.get_latent_representation())


def test_a_model_and_its_data_survive_files(name, make_mdata, build, tmp_path):
    mdata = make_mdata()
    model = build(name, mdata, MODELS[name], setup={"modalities": TO_MDATA})
    wanted = x_of(model.predict(perturbation="A+C", n_cells=5, output="mean"))
    mdata.write(tmp_path / "screen.h5mu")
    model.save(tmp_path / "model", save_anndata=True)
    read = mudata.read_h5mu(tmp_path / "screen.h5mu")
    cls = getattr(scpi.model, name)
    loaded = (
        cls.load(tmp_path / "model", adata=read, accelerator="cpu"),
        cls.load(tmp_path / "model", accelerator="cpu"),
    )
    for again in loaded:
        np.testing.assert_array_equal(x_of(again.predict(perturbation="A+C", n_cells=5, output="mean")), wanted)
    without = cls.load(tmp_path / "model", adata=False, accelerator="cpu")
    np.testing.assert_array_equal(
        x_of(without.predict(make_mdata(), perturbation="A+C", n_cells=5, output="mean")), wanted
    )


def test_new_cells_are_transferred(name, make_mdata, build):
    model = build(name, make_mdata(), MODELS[name], setup={"modalities": TO_MDATA})
    new = make_mdata()
    wanted = x_of(model.predict(new, perturbation="A", n_cells=5, output="mean"))
    assert np.isfinite(wanted).all()
    view = new[:80]
    assert (
        model.predict(view, perturbation="A", output="mean").n_obs == (new.obs["perturbation"][:80] == "control").sum()
    )


@pytest.mark.parametrize(
    ("modalities", "message"),
    [
        (None, r"must say where the expression is, such as \{'layer': 'rna'\}"),
        ({"perturbation_key": "rna"}, "must say where the expression is"),
        ({"layer": "atac"}, r"'atac', but the modalities are \['rna', 'protein'\]"),
        ({"layer": "rna", "lane": "rna"}, r"no place for \['lane'\]"),
    ],
)
def test_modalities_must_be_there(make_mdata, modalities, message):
    with pytest.raises(ValueError, match=message):
        scpi.model.Additive.setup_mudata(make_mdata(), modalities=modalities)


def test_cells_in_another_order_are_refused(make_mdata):
    """Labels of the MuData and expression are joined by position, which scvi-tools does not check."""
    mdata = make_mdata(rna_first=False)
    rna = mdata.mod["rna"][::-1].copy()
    labels = mdata.obs["perturbation"]
    mdata = mudata.MuData({"protein": mdata.mod["protein"], "rna": rna})
    mdata.obs["perturbation"] = labels
    with pytest.raises(ValueError, match=r"not those of `mdata\.mod\['rna'\]` in the same order"):
        scpi.model.Additive.setup_mudata(mdata, modalities=TO_MDATA)


def test_new_cells_in_another_order_are_refused(make_mdata, build):
    model = build("Additive", make_mdata(), setup={"modalities": TO_MDATA})
    new = make_mdata()
    mixed = mudata.MuData({"protein": new.mod["protein"][::-1].copy(), "rna": new.mod["rna"]})
    mixed.obs["perturbation"] = new.obs["perturbation"]
    with pytest.raises(ValueError, match="in the same order"):
        model.predict(mixed, perturbation="A", output="mean")
    with pytest.raises(ValueError, match=r"reads the modality 'rna', but the data has \['protein'\]"):
        model.predict(mudata.MuData({"protein": new.mod["protein"]}), perturbation="A", output="mean")


def test_a_mudata_and_an_anndata_are_not_the_same(make_mdata, make_screen, build):
    with pytest.raises(TypeError, match="set up with MuData, but AnnData was given"):
        build("Additive", make_mdata(), setup={"modalities": TO_MDATA}).predict(
            make_screen(), perturbation="A", output="mean"
        )
    with pytest.raises(TypeError, match="set up with AnnData, but MuData was given"):
        build("Additive", make_screen()).predict(make_mdata(), perturbation="A", output="mean")


@pytest.mark.parametrize(
    ("setup", "error", "message"),
    [
        ({"perturbation_key": "guide"}, KeyError, "'guide' is not a column"),
        ({"batch_key": "lane"}, KeyError, "'lane' is not a column"),
        ({"size_factor_key": "cell_type"}, ValueError, "positive number"),
        ({"gene_sets_key": "mine"}, KeyError, "gene_sets"),
        ({"control": "NT"}, ValueError, "No cell"),
    ],
)
def test_a_failure_writes_nothing(make_mdata, setup, error, message):
    mdata = make_mdata()
    columns, keys = list(mdata.obs), (list(mdata.uns), list(mdata.mod["rna"].uns), list(mdata.mod["rna"].obs))
    with pytest.raises(error, match=message):
        scpi.model.Additive.setup_mudata(mdata, modalities=TO_MDATA, **setup)
    assert list(mdata.obs) == columns
    assert (list(mdata.uns), list(mdata.mod["rna"].uns), list(mdata.mod["rna"].obs)) == keys
