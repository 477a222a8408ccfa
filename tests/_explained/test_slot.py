"""Explanations as they are stored."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd

from scpi._explained._slot import read_explained


def test_labels_are_strings_and_parts_are_those_of_the_columns():
    adata = ad.AnnData(np.ones((1, 2), dtype=np.float32), var=pd.DataFrame(index=["x", "y"]))
    parts = pd.DataFrame({"perturbation": pd.Categorical(["A"]), "kind": pd.Categorical(["units"]), "share": [1.0]})
    columns = pd.DataFrame({"perturbation": ["A", "A"], "kind": ["genes", "units"], "part": ["(all)", "u"]})
    conditions = pd.DataFrame({"perturbation": pd.Categorical(["A"])})
    adata.uns["mine"] = {"parts": parts, "columns": columns, "conditions": conditions, "params": {"n_top": 3}}
    adata.varm["mine"] = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    found = read_explained(adata, "mine")
    assert found.perturbations == ["A"]
    assert found.tables["parts"]["kind"].dtype == object
    assert found.params == {"n_top": 3}
    table = found.contributions()
    assert table["part"].tolist() == ["(all)", "(all)", "u", "u"]
    assert table["contribution"].tolist() == [1.0, 3.0, 2.0, 4.0]
