"""Tables of explained predictions."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((1, 2), dtype=np.float32), var=pd.DataFrame(index=["x", "y"]))
    parts = pd.DataFrame(
        {"perturbation": ["A", "A", "B"], "kind": ["factors", "units", "factors"], "part": ["1", "2", "3"]}
    )
    columns = pd.DataFrame({"perturbation": ["A", "B"], "kind": ["factors", "genes"], "part": ["1", "(common to all)"]})
    conditions = pd.DataFrame({"perturbation": ["A", "B"], "status": ["unseen", "trained"]})
    adata.uns["explained_prediction"] = {"parts": parts, "columns": columns, "conditions": conditions, "params": {}}
    adata.varm["explained_prediction"] = np.array([[1.0, 2.0], [3.0, 4.0]])
    return adata


def test_rows_are_chosen_by_perturbation_and_kind(adata):
    table = scpi.get.explained_prediction
    assert table(adata)["part"].tolist() == ["1", "2", "3"]
    assert table(adata, perturbation="A", kind="units")["part"].tolist() == ["2"]
    assert table(adata, "conditions", perturbation=["B"])["status"].tolist() == ["trained"]
    # Nothing was measured
    assert table(adata, "scores").empty


def test_contributions_have_a_row_for_each_part_and_gene(adata):
    found = scpi.get.explained_prediction(adata, "contributions")
    assert found["gene"].tolist() == ["x", "y", "x", "y"]
    assert found["contribution"].tolist() == [1.0, 3.0, 2.0, 4.0]
    assert found["part"].tolist() == ["1", "1", "(common to all)", "(common to all)"]


def test_what_is_refused(adata):
    with pytest.raises(KeyError, match="no result of `scpi.tl.explain_prediction` under 'none'"):
        scpi.get.explained_prediction(adata, key="none")
    with pytest.raises(ValueError, match="`table` must be one of 'parts', 'genes'.*but is 'rows'"):
        scpi.get.explained_prediction(adata, "rows")
    with pytest.raises(ValueError, match="no perturbation 'C', only 'A', 'B'"):
        scpi.get.explained_prediction(adata, perturbation="C")
    with pytest.raises(ValueError, match="no kind of parts 'sources', only 'factors', 'units'"):
        scpi.get.explained_prediction(adata, kind="sources")
    with pytest.raises(ValueError, match="'conditions' has no kinds of parts"):
        scpi.get.explained_prediction(adata, "conditions", kind="units")
