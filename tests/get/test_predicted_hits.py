"""Table of predicted hits."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    p = np.array([[0.5, 0.01], [0.01, 0.2], [0.5, 0.3]])
    adata = ad.AnnData(np.ones((1, 3), dtype=np.float32), var=pd.DataFrame(index=["x", "y", "z"]))
    adata.varm["predicted_hits"], adata.varm["predicted_hits_pvals"] = 2 * p, p
    adata.varm["predicted_hits_change"] = np.array([[1.0, -2.0], [3.0, 4.0], [-5.0, 6.0]])
    conditions = pd.DataFrame({"perturbation": ["B", "A"], "status": ["unseen", "trained"], "n_cells": 9})
    left_out = pd.DataFrame(
        {"perturbation": ["C"], "confidence": [0.5], "error": [1.0], "error_of_mean": [1.0], "size": [1.0]}
    )
    adata.uns["predicted_hits"] = {"conditions": conditions, "left_out": left_out}
    return adata


def test_the_surest_genes_come_first(adata):
    table = scpi.get.predicted_hits(adata)
    assert table.columns.tolist() == ["gene", "perturbation", "status", "predicted", "pval", "qval"]
    assert table["gene"].tolist() == ["y", "z", "x", "x", "y", "z"]
    assert table["perturbation"].tolist() == ["B"] * 3 + ["A"] * 3
    assert table["predicted"].tolist() == [3.0, -5.0, 1.0, -2.0, 4.0, 6.0]
    assert table["qval"].tolist() == [0.02, 1.0, 1.0, 0.02, 0.4, 0.6]


def test_hits_alone(adata):
    table = scpi.get.predicted_hits(adata, pval_cutoff=0.05)
    assert list(zip(table["perturbation"], table["gene"], strict=True)) == [("B", "y"), ("A", "x")]


def test_what_is_missing_is_said(adata):
    with pytest.raises(KeyError, match="no result of `scpi.tl.predicted_hits` under 'other'"):
        scpi.get.predicted_hits(adata, key="other")
