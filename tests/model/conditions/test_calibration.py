"""Intervals of predicted conditions."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi.model import ConditionModel

N_GENES = 40


def simulate(seed=0, n_compounds=24, n_types=6):
    """Values of compounds in cell types: what compounds do everywhere, and what is special to each condition."""
    rng = np.random.default_rng(seed)
    effects = rng.normal(size=(n_compounds, N_GENES)) * rng.uniform(0.3, 2.0, n_compounds)[:, None]
    compound, cell_type = (codes.ravel() for codes in np.meshgrid(np.arange(n_compounds), np.arange(n_types)))
    values = effects[compound] + 0.5 * rng.normal(size=(len(compound), N_GENES))
    obs = pd.DataFrame(
        {"compound": [f"c{i}" for i in compound], "cell_type": [f"T{i}" for i in cell_type]},
        index=[f"row{i}" for i in range(len(compound))],
    )
    return ad.AnnData(values.astype(np.float32), obs=obs)


def trained(table, indices=None, **kwargs):
    ConditionModel.setup_anndata(table, perturbation_key="compound", context_key="cell_type")
    model = ConditionModel(table, **kwargs)
    model.train(indices=indices)
    return model


def test_conditions_are_covered_as_often_as_is_said():
    covered = []
    for seed in range(4):
        table = simulate(seed)
        test = np.random.default_rng(seed).permutation(table.n_obs)[:40]
        model = trained(table, np.setdiff1d(np.arange(table.n_obs), test), method="perturbation_mean")
        model.calibrate()
        predicted = model.predict(table.obs.iloc[test], interval=0.9)
        real = table.X[test]
        covered.append((predicted.layers["lower"] <= real) & (real <= predicted.layers["upper"]))
    assert 0.87 < np.mean(covered) < 0.93


def test_what_was_left_out_had_no_say_in_its_prediction():
    table = simulate()
    model = trained(table, method="perturbation_mean")
    model.calibrate("contexts", folds=6)
    kept = model.left_out_["contexts"]
    compound, cell_type = (table.obs[key].to_numpy() for key in ("compound", "cell_type"))
    others = (compound == "c3") & (cell_type != "T2")
    row = np.flatnonzero((compound == "c3") & (cell_type == "T2"))[0]
    np.testing.assert_allclose(kept["predicted"][row], table.X[others].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(kept["of_mean"][row], kept["predicted"][row], rtol=1e-5)
    np.testing.assert_array_equal(kept["measured"], table.X)
    assert len(np.unique(kept["group"])) == 6


def test_each_kind_of_condition_needs_its_own(tmp_path):
    table = simulate()
    model = trained(table, method="perturbation_mean")
    plan = pd.DataFrame({"compound": ["c1", "new"], "cell_type": ["T1", "T1"]})
    with pytest.raises(
        ValueError, match=r"interval for 'T1, c1' needs.*holds out conditions.*`model.calibrate\('conditions'\)`"
    ):
        model.predict(plan, interval=0.9)
    model.calibrate()
    with pytest.raises(ValueError, match=r"`model.calibrate\('perturbations'\)`"):
        model.predict(plan, interval=0.9)
    model.calibrate("perturbations")
    predicted = model.predict(plan, interval=0.9)
    assert predicted.obs["status"].tolist() == ["trained", "no better than the mean"]
    width = predicted.layers["upper"] - predicted.layers["lower"]
    # Nothing is known of a new compound
    assert width[1].mean() > 2 * width[0].mean()
    assert predicted.obs["confidence"].iloc[0] > predicted.obs["confidence"].iloc[1]
    with pytest.raises(ValueError, match="both new to the model"):
        model.predict(pd.DataFrame({"compound": ["new"], "cell_type": ["other"]}), interval=0.9)
    model.calibrate("contexts")
    with pytest.raises(ValueError, match=r"needs 9 held-out contexts, but there are 6. The largest"):
        model.predict(pd.DataFrame({"compound": ["c1"], "cell_type": ["other"]}), interval=0.9)
    model.save(tmp_path / "model", save_anndata=False)
    again = ConditionModel.load(tmp_path / "model", adata=table)
    np.testing.assert_array_equal(again.predict(plan, interval=0.9).layers["upper"], predicted.layers["upper"])
    predicted.write_h5ad(tmp_path / "predicted.h5ad")
    model.train()
    with pytest.raises(ValueError, match="call `model.calibrate"):
        model.predict(plan, interval=0.9)


def test_the_scale_is_that_of_the_table():
    table = simulate()
    model = trained(table, method="ridge", transform="z")
    model.calibrate(folds=3)
    np.testing.assert_array_equal(model.left_out_["conditions"]["measured"], table.X)
    predicted = model.predict(table.obs.iloc[:5], interval=0.8)
    assert (predicted.layers["lower"] < predicted.X).all()
    assert (predicted.layers["upper"] > predicted.X).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"over": "genes"}, "`over` must be one of"),
        ({"folds": 1}, "divided into at least two parts, and there are 144 of them, but `folds` is 1"),
        ({"over": "contexts", "folds": 9}, "there are 6 of them, but `folds` is 9"),
    ],
)
def test_impossible_divisions_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        trained(simulate(), method="mean").calibrate(**arguments)


def test_too_few_conditions_are_not_divided():
    with pytest.raises(ValueError, match="fewer than two conditions are left"):
        trained(simulate(), [0, 1], method="mean").calibrate()
