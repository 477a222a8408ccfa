from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi

PREDICTED = np.arange(12.0).reshape(3, 4)
MEASURED = np.array([[10.0, 20.0], [11.0, 21.0], [12.0, 22.0]])


@pytest.fixture
def adata():
    """Three genes, four predicted conditions, and two measured ones, of which one was not predicted."""
    adata = ad.AnnData(np.ones((2, 3), dtype=np.float32), var=pd.DataFrame(index=["x", "y", "z"]))
    conditions = pd.DataFrame(
        {
            "perturbation": ["A", "A", "A", "B"],
            "context": ["T", "T", "NK", "T"],
            "dose": [1.0, 10.0, 10.0, 10.0],
            "status": ["trained", "trained", "trained", "unseen"],
            "extrapolated": [False, False, False, True],
            "n_cells": [5, 5, 6, 5],
        }
    )
    measured = pd.DataFrame(
        {"perturbation": ["A", "A"], "context": ["T", "NK"], "dose": [10.0, 100.0], "n_cells": [7, 8]}
    )
    adata.uns["predicted_change"] = {"conditions": conditions, "measured": measured, "params": {}}
    adata.varm["predicted_change"] = PREDICTED
    adata.varm["predicted_change_measured"] = MEASURED
    adata.varm["predicted_change_measured_se"] = MEASURED / 10
    return adata


def test_one_row_for_each_condition_and_gene(adata):
    table = scpi.get.predicted_change(adata)
    assert table.columns.tolist() == [
        "gene",
        *adata.uns["predicted_change"]["conditions"].columns,
        "predicted",
        "measured",
        "measured_se",
        "n_measured",
    ]
    assert table["gene"].tolist() == ["x", "y", "z"] * 4
    assert table["predicted"].tolist() == PREDICTED.T.ravel().tolist()
    # Only the second condition was measured, and what was measured besides was not predicted
    assert table["measured"].dropna().tolist() == [10, 11, 12]
    assert table["measured_se"].dropna().tolist() == [1, 1.1, 1.2]
    assert table.index[table["n_measured"] > 0].tolist() == [3, 4, 5]
    assert table["n_measured"].tolist() == [0] * 3 + [7] * 3 + [0] * 6


def test_rows_can_be_chosen(adata):
    table = scpi.get.predicted_change(adata, genes=["z", "x"], perturbation="A", context=["T"])
    assert table["gene"].tolist() == ["z", "x"] * 2
    assert table["predicted"].tolist() == [8, 0, 9, 1]
    assert table["measured"].tolist()[2:] == [12, 10]
    assert len(scpi.get.predicted_change(adata, genes="y", perturbation=["B", "A"])) == 4


def test_without_what_was_measured(adata):
    del adata.uns["predicted_change"]["measured"]
    table = scpi.get.predicted_change(adata)
    assert table[["measured", "measured_se"]].isna().all(axis=None)
    assert not table["n_measured"].any()


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        (
            {"key": "other"},
            KeyError,
            "no result of `scpi.tl.predict_perturbation` under 'other', only 'predicted_change'",
        ),
        ({"genes": ["x", "w"]}, ValueError, "no gene 'w', only 'x', 'y', 'z'"),
        ({"perturbation": "C"}, ValueError, "no perturbation 'C', only 'A', 'B'"),
        ({"context": "B"}, ValueError, "no context 'B', only 'T', 'NK'"),
    ],
)
def test_bad_choices_are_explained(adata, kwargs, error, message):
    with pytest.raises(error, match=message):
        scpi.get.predicted_change(adata, **kwargs)


def test_contexts_that_were_not_registered(adata):
    stored = adata.uns["predicted_change"]
    for name in ("conditions", "measured"):
        stored[name] = stored[name].drop(columns="context").iloc[:2]
    adata.varm["predicted_change"] = PREDICTED[:, :2]
    with pytest.raises(ValueError, match="no context 'T', only nothing"):
        scpi.get.predicted_change(adata, context="T")
    assert scpi.get.predicted_change(adata)["measured"].dropna().tolist() == [10, 11, 12]
