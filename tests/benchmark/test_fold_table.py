from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.benchmark import fold_table

ROWS = [
    ("b", "1", 0, "P", 0.2, 3.0),
    ("b", "1", 0, "Q", 0.4, 1.0),
    ("b", "1", 1, "P", 0.3, np.nan),
    ("b", "2", 0, "R", 0.7, 2.0),
    ("b", "2", 1, "R", 0.9, np.nan),
    ("a", "1", 0, "P", 0.1, 5.0),
    ("a", "2", 0, "R", np.nan, 6.0),
]
TABLE = pd.DataFrame(ROWS, columns=["model", "split", "seed", "perturbation", "pearson", "rmse"])


def test_means_within_and_over_folds():
    found = fold_table(TABLE)
    assert list(found.columns) == [
        *("model", "metric", "higher_is_better", "split", "n", "mean", "n_folds", "mean_of_folds", "sd_of_folds"),
    ]
    assert list(zip(found["model"], found["metric"], found["split"], strict=True)) == [
        (model, metric, fold) for model in "ba" for metric in ("pearson", "rmse") for fold in "12"
    ]
    row = found.set_index(["model", "metric", "split"]).sort_index()
    np.testing.assert_allclose(row.loc[("b", "pearson"), "mean"], [0.3, 0.8])
    assert row.loc[("b", "pearson"), "n"].tolist() == [3, 2]
    assert row.loc[("b", "pearson", "1"), "mean_of_folds"] == pytest.approx(0.55)
    assert row.loc[("b", "pearson", "1"), "sd_of_folds"] == pytest.approx(np.std([0.3, 0.8], ddof=1))
    np.testing.assert_allclose(row.loc[("b", "rmse"), "mean"], [2.0, 2.0])
    assert row.loc[("b", "rmse"), "n"].tolist() == [2, 1]
    assert set(found.loc[found["metric"] == "rmse", "higher_is_better"]) == {False}


def test_a_fold_without_a_value_is_not_counted():
    row = fold_table(TABLE, metrics="pearson").set_index(["model", "split"])
    assert np.isnan(row.loc[("a", "2"), "mean"]) and row.loc[("a", "2"), "n"] == 0
    assert row.loc[("a", "1"), "n_folds"] == 1
    assert row.loc[("a", "1"), "mean_of_folds"] == pytest.approx(0.1)
    assert np.isnan(row.loc[("a", "1"), "sd_of_folds"])


def test_folds_can_be_anything_that_a_column_says():
    found = fold_table(TABLE, by=["split", "seed"], metrics="pearson").query("model == 'b'")
    np.testing.assert_allclose(found["mean"], [0.3, 0.3, 0.7, 0.9])
    assert found["sd_of_folds"].iloc[0] == pytest.approx(np.std([0.3, 0.3, 0.7, 0.9], ddof=1))
    kind = TABLE.assign(kind=np.where(TABLE["perturbation"] == "R", "double", "single"))
    by_kind = fold_table(kind, by="kind", metrics="pearson").set_index(["model", "kind"])
    assert by_kind.loc[("b", "double"), "mean"] == pytest.approx(0.8)


def test_equal_models_are_one():
    twice = pd.concat([TABLE, TABLE.assign(model=TABLE["model"] + "2")])
    assert list(fold_table(twice)["model"].unique()) == ["b = b2", "a = a2"]


def test_columns_that_are_missing_are_named():
    with pytest.raises(KeyError, match=r"no column \['fold', 'mmd'\]"):
        fold_table(TABLE, by="fold", metrics=["rmse", "mmd"])
