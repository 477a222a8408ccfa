"""Also of scpi.model.conditions._fields and _module."""

from __future__ import annotations

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.model import ConditionModel


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    pairs = [(f"c{c}", f"T{t}") for c in range(10) for t in range(3) if (c, t) not in {(0, 0), (1, 1)}]
    obs = pd.DataFrame(pairs, columns=["compound", "cell_type"], index=[f"row{i}" for i in range(len(pairs))])
    effects = pd.DataFrame(rng.normal(size=(10, 12)), index=[f"c{c}" for c in range(10)])
    values = effects.loc[obs["compound"]].to_numpy() + 0.1 * rng.normal(size=(len(obs), 12))
    return ad.AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(12)]))


def trained(table, **kwargs):
    ConditionModel.setup_anndata(table, perturbation_key="compound", context_key="cell_type")
    model = ConditionModel(table, **kwargs)
    model.train()
    return model


PLAN = pd.DataFrame(
    {"cell_type": ["T0", "T0", "new", "T1", "new"], "compound": ["c0", "c1", "c2", "new", "new"], "n": 5}
)


def test_a_plan_becomes_conditions(table, recwarn):
    model = trained(table, method="perturbation_mean")
    predicted = model.predict(PLAN)
    assert [str(one.message) for one in recwarn if issubclass(one.category, UserWarning)] == []
    assert list(predicted.obs_names) == ["T0, c0", "T0, c1", "new, c2", "T1, new", "new, new"]
    assert list(predicted.var_names) == list(table.var_names)
    assert list(predicted.obs["n"]) == [5] * 5
    assert list(predicted.obs["status"]) == [
        "unseen condition",
        "trained",
        "unseen context",
        "unseen perturbation",
        "unseen perturbation and context",
    ]
    own = table.X[(table.obs["compound"] == "c0").to_numpy()].mean(axis=0)
    np.testing.assert_allclose(predicted.X[0], own, rtol=1e-5)
    np.testing.assert_allclose(predicted.X[4], table.X.mean(axis=0), rtol=1e-4)
    assert predicted.uns["prediction"]["method"] == ["perturbation_mean"]


def test_another_setup_of_the_table_before_the_training_changes_nothing(table):
    expected = trained(table, method="perturbation_mean").predict(PLAN).X
    ConditionModel.setup_anndata(table, perturbation_key="compound", context_key="cell_type")
    model = ConditionModel(table, method="perturbation_mean")
    ConditionModel.setup_anndata(table, perturbation_key="cell_type")
    model.train()
    np.testing.assert_array_equal(model.predict(PLAN).X, expected)


def test_a_prediction_can_be_stored(table, tmp_path):
    predicted = trained(table, method=["mean", "ridge"]).predict(PLAN)
    predicted.write_h5ad(tmp_path / "predicted.h5ad")
    stored = ad.read_h5ad(tmp_path / "predicted.h5ad")
    np.testing.assert_array_equal(stored.X, predicted.X)
    assert list(stored.uns["prediction"]["method"]) == ["mean", "ridge"]


def test_the_registered_conditions_are_the_default_plan(table):
    predicted = trained(table, method="context_mean").predict()
    assert predicted.n_obs == table.n_obs
    assert (predicted.obs["compound"].to_numpy() == table.obs["compound"].to_numpy()).all()
    assert set(predicted.obs["status"]) == {"trained"}


def test_only_the_given_rows_are_learned_from(table):
    ConditionModel.setup_anndata(table, perturbation_key="compound", context_key="cell_type")
    model = ConditionModel(table, method="perturbation_mean")
    train = (table.obs["compound"] != "c3").to_numpy()
    model.train(indices=train)
    predicted = model.predict(table.obs[~train])
    np.testing.assert_allclose(predicted.X, np.tile(table.X[train].mean(axis=0), (3, 1)), rtol=1e-4, atol=1e-6)
    assert set(predicted.obs["status"]) == {"unseen perturbation"}
    # What is not learned from has no part in what is predicted
    table.X[~train] += 100.0
    again = ConditionModel(table, method="perturbation_mean")
    again.train(indices=np.flatnonzero(train))
    np.testing.assert_array_equal(again.predict(table.obs[~train]).X, predicted.X)


def test_several_methods_are_averaged(table):
    values = [
        trained(table, method=method).predict(PLAN).X for method in ("mean", "context_mean", ["mean", "context_mean"])
    ]
    np.testing.assert_allclose(values[2], (values[0] + values[1]) / 2, rtol=1e-5, atol=1e-6)


def test_repeats_are_medians_of_their_own_seeds(table):
    options = {"method": "forest", "n_trees": 3}
    single, three = trained(table, seed=0, **options), trained(table, seed=0, n_repeats=3, **options)
    rows = three._rows_of(PLAN["compound"], PLAN["cell_type"])
    each = [predictor(rows) for predictor in three._fitted()]
    np.testing.assert_array_equal(single.predict(PLAN).X, each[0].astype(np.float32))
    assert not np.allclose(each[0], each[1])
    np.testing.assert_allclose(three.predict(PLAN).X, np.median(each, axis=0), rtol=1e-6)


def test_means_of_z_values_are_those_of_z_values(table):
    table.X = np.sign(table.X) * np.abs(table.X) ** 2
    predicted = trained(table, method="mean", transform="z").predict(PLAN)
    from scpi.model.conditions._transform import to_signed_logp, to_z

    expected = to_signed_logp(to_z(table.X.astype(np.float64)).mean(axis=0))
    np.testing.assert_allclose(predicted.X[0], expected, rtol=1e-4, atol=1e-5)


def test_a_saved_model_predicts_the_same(table, tmp_path):
    features = pd.DataFrame(np.random.default_rng(1).normal(size=(11, 2)), index=[*(f"c{c}" for c in range(10)), "new"])
    model = trained(table, method=["boosted", "svd_ridge"], features=features, n_trees=5, seed=3)
    model.save(tmp_path / "model", save_anndata=True)
    expected = model.predict(PLAN)
    for adata in (None, False):
        loaded = ConditionModel.load(tmp_path / "model", adata)
        np.testing.assert_allclose(loaded.predict(PLAN).X, expected.X, rtol=1e-6)
    with pytest.raises(ValueError, match="loaded without data"):
        ConditionModel.load(tmp_path / "model", False).predict()


def test_one_context_without_a_column(table):
    ConditionModel.setup_anndata(table, perturbation_key="compound")
    model = ConditionModel(table, method="context_mean")
    model.train()
    predicted = model.predict(pd.DataFrame({"compound": ["c0", "new"]}))
    assert list(predicted.obs_names) == ["c0", "new"]
    np.testing.assert_allclose(predicted.X[0], table.X.mean(axis=0), rtol=1e-4)


def test_a_modality_holds_the_conditions(table):
    mdata = md.MuData({"logp": table})
    ConditionModel.setup_mudata(
        mdata, perturbation_key="compound", modalities={"layer": "logp", "perturbation_key": "logp"}
    )
    model = ConditionModel(mdata, method="mean")
    model.train()
    assert model.predict(pd.DataFrame({"compound": ["c0"]})).n_vars == 12


def test_methods_are_listed():
    assert {"zeros", "ridge", "knn", "boosted"} <= set(scpi.model.ConditionModel.methods().index)


def test_bad_input_is_named(table):
    with pytest.raises(KeyError, match="`perturbation_key` names 'dose', but"):
        ConditionModel.setup_anndata(table, perturbation_key="dose")
    model = trained(table, method="ridge")
    with pytest.raises(KeyError, match="lacks the column.*'cell_type'"):
        model.predict(pd.DataFrame({"compound": ["c0"]}))
    with pytest.raises(ValueError, match="has no conditions"):
        model.predict(PLAN.iloc[:0])
    with pytest.raises(ValueError, match="At least two conditions"):
        model.train(indices=[0])
    with pytest.raises(ValueError, match="`transform` must be 'z' or None"):
        ConditionModel(table, transform="log")
    with pytest.raises(TypeError, match="must be a DataFrame"):
        ConditionModel(table, features=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="names are repeated or values missing"):
        ConditionModel(table, features=pd.DataFrame({"f": ["x"]}, index=["c0"]))
    few = ConditionModel(table, features=pd.DataFrame({"f": [1.0]}, index=["c0"]))
    with pytest.raises(ValueError, match="`features` has no row for 'c1'"):
        few.train()
    table.X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        ConditionModel.setup_anndata(table, perturbation_key="compound")
