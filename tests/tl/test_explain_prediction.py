"""Explanations of predictions by all models."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi

NAMES = [f"{family}{number}" for family in ("KLF", "IRF", "SOX") for number in range(1, 8)]


@pytest.fixture(scope="module")
def table():
    """Effects of three families on genes of their own, features, gene sets, and a model that two are left out of."""
    rng = np.random.default_rng(0)
    family = np.repeat(np.kron(np.eye(3), np.ones(10)), 7, axis=0)
    change = family + 0.3 * rng.normal(size=(21, 30)) + 0.5 * (np.arange(30) % 3 == 0)
    obs = pd.DataFrame({"perturbation": NAMES}, index=NAMES)
    var = pd.DataFrame(index=[f"g{i}" for i in range(30)])
    adata = scpi.screen.with_zero_control(ad.AnnData(change.astype(np.float32), obs=obs, var=var))
    scpi.tl.perturbation_features(adata)
    adata.varm["gene_sets"] = np.kron(np.eye(3), np.ones((10, 1))) > 0
    adata.uns["gene_sets"] = {"names": np.array(["first", "second", "third"], dtype=object)}
    scpi.model.PerturbationGP.setup_anndata(adata)
    model = scpi.model.PerturbationGP(adata)
    model.train(train_size=1.0, held_out=["KLF7", "IRF7"])
    return adata, model


@pytest.fixture(scope="module")
def explained(table):
    adata, model = table
    model.calibrate("perturbations")
    return scpi.tl.explain_prediction(adata, model, ["KLF7", "IRF1"], interval=0.9, n_null=99, copy=True)


def test_tables_say_what_carries_a_perturbation(explained):
    conditions = scpi.get.explained_prediction(explained, "conditions")
    assert conditions["perturbation"].tolist() == ["KLF7", "IRF1"]
    assert conditions["status"].tolist() == ["unseen", "trained"]
    assert (conditions["fidelity"] > 0.1).all()
    parts = scpi.get.explained_prediction(explained, perturbation="KLF7", kind="perturbations")
    assert set(parts["part"][:4]) <= set(NAMES[:6])
    assert parts["share"][:6].sum() > 0.5
    assert parts["pval"].between(0.01, 1.0).all()
    own = scpi.get.explained_prediction(explained, perturbation="IRF1", kind="perturbations")
    assert np.isnan(own.loc[own["part"] == "IRF1", "pval"]).all()


def test_gene_sets_are_tested_on_the_change_and_its_parts(explained):
    found = scpi.get.explained_prediction(explained, "sets", perturbation="KLF7")
    assert {"change", "(common to all)", "perturbations: KLF1"} <= set(found["of"])
    of_change = found[found["of"] == "change"]
    assert of_change["set"].iloc[0] == "first"
    explained.varm["mine"] = np.array(
        scpi.get.explained_prediction(explained, "genes", perturbation="KLF7")[["change"]]
    )
    scpi.tl.gene_set_impact(explained, key="mine")
    impact = explained.uns["gene_set_impact"]
    np.testing.assert_allclose(of_change.set_index("set").loc[impact["sets"], "pval"], impact["pval"][0])
    np.testing.assert_allclose(of_change.set_index("set").loc[impact["sets"], "impact"], impact["impact"][0])


def test_intervals_and_measurements_stand_beside(explained, table):
    adata, model = table
    genes = scpi.get.explained_prediction(explained, "genes", perturbation="KLF7")
    predicted = model.predict(perturbation="KLF7", n_cells=1, output="mean", interval=0.9)
    np.testing.assert_allclose(genes["lower"], predicted.layers["lower"][0], atol=1e-5)
    np.testing.assert_allclose(genes["upper"], predicted.layers["upper"][0], atol=1e-5)
    np.testing.assert_allclose(genes["measured"], adata["KLF7"].to_df().iloc[0], atol=1e-6)
    scores = scpi.get.explained_prediction(explained, "scores", perturbation="KLF7").set_index("name")
    real = genes["measured"].to_numpy()
    error = np.square(real - genes["change"]).sum() / np.square(real).sum()
    assert scores.loc["prediction", "squared_error"] == pytest.approx(error)
    assert scores.loc["prediction", "pearson"] == pytest.approx(np.corrcoef(real, genes["change"])[0, 1])
    assert scores.loc["no change", "squared_error"] == 1.0
    # A row per condition has no standard error
    assert np.isnan(scores.loc["noise of the measurement", "pearson"])


def test_fidelity_is_that_of_a_model_without_the_parts(explained, table):
    fidelity = scpi.get.explained_prediction(explained, "fidelity", perturbation="KLF7", kind="perturbations")
    assert fidelity["n_removed"].tolist() == [1, 2, 5, 10]
    assert (fidelity["lost"] > fidelity["lost_random"])[2:].all()
    explanation = table[1].explain(perturbation="KLF7")
    first = scpi.get.explained_prediction(explained, perturbation="KLF7", kind="perturbations")["part"][0]
    place = explanation.parts["perturbations"].names.index(first)
    left, whole = explanation.without("perturbations", np.array([place])), explanation.special
    assert fidelity["lost"][0] == pytest.approx(1 - left @ whole / (whole @ whole))


def test_it_survives_files_and_a_copy(explained, table, tmp_path):
    explained.write_h5ad(tmp_path / "a.h5ad")
    explained.write_zarr(tmp_path / "a.zarr")
    for read in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        for name in ("parts", "genes", "sets", "fidelity", "scores", "conditions", "contributions"):
            before, after = (scpi.get.explained_prediction(one, name) for one in (explained, read))
            pd.testing.assert_frame_equal(after, before, check_column_type=False, check_dtype=False)
    assert "explained_prediction" not in table[0].uns


def test_models_of_other_seeds_say_how_stable_it_is(table):
    adata, model = table
    other = scpi.model.PerturbationGP(adata)
    other.train(train_size=1.0, held_out=["KLF7", "IRF7", "KLF1"])
    found = scpi.tl.explain_prediction(adata, model, "KLF7", models=[other, model], n_null=20, copy=True)
    parts = scpi.get.explained_prediction(found, kind="perturbations").set_index("part")
    assert parts.loc["KLF2", "stability"] > 0.95
    assert parts.loc["KLF1", "stability"] == pytest.approx(0.5)
    genes = scpi.get.explained_prediction(found, "genes")
    assert set(genes["stability"]) <= {0.5, 1.0}
    # One row per condition: the half of it is itself
    same = scpi.tl.explain_prediction(adata, model, "KLF7", n_refits=1, n_null=20, copy=True)
    assert scpi.get.explained_prediction(same, kind="sources")["stability"][0] == pytest.approx(1.0, abs=0.05)


def test_what_is_refused(table):
    adata, model = table
    explain = scpi.tl.explain_prediction
    with pytest.raises(TypeError, match="str predicts no perturbations"):
        explain(adata, "model", "KLF7")
    with pytest.raises(ValueError, match="Unknown perturbation 'XYZ'"):
        explain(adata, model, "XYZ")
    with pytest.raises(ValueError, match="`perturbation` contains the control"):
        explain(adata, model, "control")
    with pytest.raises(ValueError, match="other genes than the PerturbationGP"):
        explain(adata[:, ::-1].copy(), model, "KLF7")
    with pytest.raises(ValueError, match="`n_null` must be at least 1, but is 0"):
        explain(adata, model, "KLF7", n_null=0)
    with pytest.raises(ValueError, match="`n_refits` must be at least 0, but is -1"):
        explain(adata, model, "KLF7", n_refits=-1)
    with pytest.raises(KeyError, match="no gene sets 'mine'"):
        explain(adata, model, "KLF7", gene_sets_key="mine")
    baseline = scpi.model.MeanDelta
    baseline.setup_anndata(adata)
    mean = baseline(adata)
    mean.train(train_size=1.0)
    with pytest.raises(
        TypeError, match="`models` must be of the class of the model, PerturbationGP, but there are 'MeanD"
    ):
        explain(adata, model, "KLF7", models=[mean])
    other = scpi.model.PerturbationGP(adata)
    other.train(train_size=1.0, held_out="KLF7")
    with pytest.raises(ValueError, match="The model is not calibrated"):
        explain(adata, other, "KLF7", interval=0.9)
    assert "explained_prediction" not in adata.uns
