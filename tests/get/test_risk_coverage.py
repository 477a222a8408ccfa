"""Table of the risk of the surest predictions."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((1, 2), dtype=np.float32))
    for key in ("predicted_hits", "predicted_hits_pvals", "predicted_hits_change"):
        adata.varm[key] = np.ones((2, 1))
    left_out = pd.DataFrame(
        {
            "perturbation": list("ABCD"),
            "confidence": [0.1, 0.9, 0.5, 0.7],
            "size": [2.0, 1.0, 1.0, 0.0],
            "error": [4.0, 1.0, 2.0, 9.0],
            "error_of_mean": [2.0, 2.0, 2.0, 9.0],
        }
    )
    conditions = pd.DataFrame({"perturbation": ["A"], "status": "unseen"})
    adata.uns["predicted_hits"] = {"conditions": conditions, "left_out": left_out}
    return adata


def test_errors_are_relative_to_no_change_and_the_surest_come_first(adata):
    table = scpi.get.risk_coverage(adata)
    np.testing.assert_allclose(table["coverage"], [1 / 3, 2 / 3, 1.0])
    np.testing.assert_allclose(table["risk"], [1.0, 2.5, 3.0])
    np.testing.assert_allclose(table["risk_of_mean"], [4.0, 4.0, 3.0])


def test_what_is_missing_is_said(adata):
    with pytest.raises(KeyError, match="no result of `scpi.tl.predicted_hits` under 'other'"):
        scpi.get.risk_coverage(adata, key="other")
