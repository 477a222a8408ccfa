"""Also of scpi.model.composition._module."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.model import CompositionModel

KEYS = ["cell_type", "sm_name", "plate_name"]
ADDED = ["n_cells", "library", "library_sd", "library_max"]


@pytest.fixture(scope="module")
def cells():
    return scpi.datasets.op3_like(n_compounds=6, n_genes=40, n_cells=15, n_vehicle=2, depth=300, rng=0)


def trained(cells, **kwargs):
    CompositionModel.setup_anndata(cells, categorical_covariate_keys=KEYS)
    model = CompositionModel(cells, **kwargs)
    model.train()
    return model


def test_the_plan_is_that_of_the_training_groups(cells, recwarn):
    plan = trained(cells).predict()
    assert [str(warning.message) for warning in recwarn] == []
    assert list(plan) == [*KEYS, *ADDED]
    sizes = cells.obs.groupby(KEYS, observed=True).size()
    assert len(plan) == len(sizes)
    assert plan["n_cells"].dtype == np.int64
    real = sizes.loc[list(plan[KEYS].itertuples(index=False, name=None))].to_numpy()
    assert np.corrcoef(np.log(plan["n_cells"]), np.log(real))[0, 1] > 0.5
    assert plan["n_cells"].sum() == pytest.approx(cells.n_obs, rel=0.1)
    total = np.asarray(cells.X.sum(1)).ravel()
    assert plan["library"].median() == pytest.approx(np.median(total), rel=0.1)
    assert plan["library_sd"].iloc[0] == pytest.approx(0.42, abs=0.05)
    assert (plan["library_max"] < plan["library"]).all()


def test_another_setup_of_the_cells_before_the_training_changes_nothing(cells):
    expected = trained(cells).predict()
    CompositionModel.setup_anndata(cells, categorical_covariate_keys=KEYS)
    model = CompositionModel(cells)
    CompositionModel.setup_anndata(cells, categorical_covariate_keys=KEYS[:1])
    model.train()
    pd.testing.assert_frame_equal(model.predict(), expected)


def test_groups_that_were_not_measured(cells):
    wanted = pd.DataFrame(
        {"cell_type": ["T cells", "T cells"], "sm_name": ["compound1", "new"], "plate_name": "plate_0"}
    )
    plan = trained(cells).predict(wanted.assign(donor="d", n_cells=3))
    assert list(plan["donor"]) == ["d", "d"]
    assert (plan["n_cells"] >= 1).all()


def test_draws_are_those_of_a_seed_and_vary_around_what_is_expected(cells):
    model = trained(cells)
    plan = model.predict().iloc[:20]
    drawn = model.sample(plan, n_draws=300, rng=0)
    assert len(drawn) == 6000
    assert list(drawn["draw"].unique()) == list(range(300))
    pd.testing.assert_frame_equal(drawn, model.sample(plan, n_draws=300, rng=0))
    means = drawn["n_cells"].to_numpy().reshape(300, -1).mean(axis=0)
    np.testing.assert_allclose(means, plan["n_cells"], atol=0.5 + 0.15 * plan["n_cells"].max())
    assert drawn["library"].std() > 0


def test_numbers_are_in_proportion_to_the_exposure(cells):
    data = cells.copy()
    loaded = dict(zip(sorted(data.obs["plate_name"].unique()), (1.0, 2, 1, 2, 1, 2), strict=True))
    data.obs["loaded"] = data.obs["plate_name"].astype(str).map(loaded)
    CompositionModel.setup_anndata(data, categorical_covariate_keys=KEYS[:2] + ["plate_name"], exposure_key="loaded")
    model = CompositionModel(data)
    model.train()
    plan = model.predict()
    twice = model.predict(plan.assign(loaded=2 * plan["loaded"]))
    np.testing.assert_allclose(twice["n_cells"], 2 * plan["n_cells"], atol=1.01)
    with pytest.raises(ValueError, match="'loaded' must be a positive number"):
        model.predict(plan.assign(loaded=0.0))
    data.obs["loaded"] = np.arange(data.n_obs) + 1.0
    CompositionModel.setup_anndata(data, categorical_covariate_keys=KEYS, exposure_key="loaded")
    with pytest.raises(ValueError, match="the same for all cells of a group"):
        CompositionModel(data).train()


@pytest.mark.parametrize("kwargs", [{}, {"method": "forest", "n_trees": 20, "seed": 1}])
def test_a_saved_model_gives_the_same_plan(cells, kwargs, tmp_path):
    model = trained(cells, **kwargs)
    model.save(tmp_path / "model")
    loaded = CompositionModel.load(tmp_path / "model", False)
    pd.testing.assert_frame_equal(loaded.predict(), model.predict(), rtol=1e-4)
    again = CompositionModel.load(tmp_path / "model", cells)
    again.train()
    pd.testing.assert_frame_equal(again.predict(), model.predict(), rtol=1e-4)


def test_dense_counts_give_the_same(cells):
    dense = cells.copy()
    dense.X = dense.X.toarray()
    pd.testing.assert_frame_equal(trained(dense).predict(), trained(cells).predict())


def test_only_the_given_cells_are_learned_from(cells):
    CompositionModel.setup_anndata(cells, categorical_covariate_keys=KEYS)
    model = CompositionModel(cells)
    model.train(indices=(cells.obs["sm_name"] != "compound2").to_numpy())
    assert "compound2" not in set(model.predict()["sm_name"])


def test_bad_input_is_named(cells):
    with pytest.raises(ValueError, match="must name the columns whose values form the groups"):
        CompositionModel.setup_anndata(cells)
    with pytest.raises(KeyError, match="'batch'"):
        CompositionModel.setup_anndata(cells, categorical_covariate_keys=["batch"])
    missing = cells.copy()
    missing.obs["half"] = ["a", *[None] * (cells.n_obs - 1)]
    with pytest.raises(ValueError, match="has no value for"):
        CompositionModel.setup_anndata(missing, categorical_covariate_keys=["half"])
    model = trained(cells)
    with pytest.raises(KeyError, match="lacks the column.*'sm_name'"):
        model.predict(pd.DataFrame({"cell_type": ["T cells"], "plate_name": ["plate_0"]}))
    with pytest.raises(ValueError, match="At least three groups"):
        model.train(indices=[0])
    with pytest.raises(ValueError, match="`method` must be 'glm' or 'forest'"):
        CompositionModel(cells, method="svm")
    with pytest.raises(ValueError, match="`n_draws` must be at least 1"):
        model.sample(n_draws=0)
