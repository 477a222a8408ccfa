from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi._changes import among, read_changes


def stored(*, measured):
    adata = ad.AnnData(np.zeros((2, 3), dtype=np.float32))
    adata.varm["predicted_change"] = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    conditions = pd.DataFrame({"perturbation": pd.Categorical(["A", "B"]), "dose": [1.0, 2.0]}, index=["x", "y"])
    adata.uns["predicted_change"] = {"conditions": conditions, "params": {"model": "Additive"}}
    if measured:
        adata.varm["predicted_change_measured"] = np.ones((3, 1))
        adata.varm["predicted_change_measured_se"] = np.full((3, 1), 0.5)
        adata.uns["predicted_change"]["measured"] = pd.DataFrame({"perturbation": ["A"], "dose": [1.0]})
    return adata


def test_predicted_and_measured_changes_are_read_together():
    found = read_changes(stored(measured=True), "predicted_change")
    assert found.predicted.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert found.conditions["perturbation"].tolist() == ["A", "B"]
    # What files turn into categories are labels again
    assert found.conditions["perturbation"].dtype == object
    assert found.measured.tolist() == [[1.0]] * 3
    assert found.standard_error.tolist() == [[0.5]] * 3
    assert found.params == {"model": "Additive"}


def test_nothing_need_be_measured():
    found = read_changes(stored(measured=False), "predicted_change")
    assert found.measured.shape == found.standard_error.shape == (3, 0)
    assert len(found.measured_conditions) == 0
    with pytest.raises(KeyError, match="predict_perturbation"):
        read_changes(ad.AnnData(np.zeros((1, 1))), "predicted_change")


def test_what_is_asked_for_must_be_there():
    assert among(["a", "b", "c"], None, "unit") == ["a", "b", "c"]
    assert among(["a", "b", "c"], "b", "unit") == ["b"]
    assert among(["a", "b", "c"], ["c", "a", "c"], "unit") == ["c", "a"]
    for wanted in (["z"], []):
        with pytest.raises(ValueError, match="There is no unit"):
            among(["a"], wanted, "unit")
