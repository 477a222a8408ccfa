from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((1, 1), dtype=np.float32))
    results = pd.DataFrame({"group": ["A", "A", "B", "B"], "set": ["a", "b", "b", "a"], "rank": [1, 2, 1, 2]})
    adata.uns["enrichment"] = {"params": {}, "results": results.assign(pval_adj=[0.01, 0.2, 0.03, 0.04])}
    return adata


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, ["Aa", "Ab", "Bb", "Ba"]),
        ({"group": "A"}, ["Aa", "Ab"]),
        ({"group": ["B"], "top_n": 1}, ["Bb"]),
        ({"pval_cutoff": 0.03}, ["Aa", "Bb"]),
    ],
)
def test_tests_can_be_chosen(adata, kwargs, expected):
    frame = scpi.get.enrichment(adata, **kwargs)
    assert (frame["group"] + frame["set"]).tolist() == expected
    assert frame.index.tolist() == list(range(len(expected)))


def test_what_is_missing_is_said(adata):
    with pytest.raises(ValueError, match="not tested: 'Z'. Tested were 'A', 'B'"):
        scpi.get.enrichment(adata, group=["A", "Z"])
    with pytest.raises(KeyError, match=r"no result of `scpi.tl.enrichment` under 'other'"):
        scpi.get.enrichment(adata, key="other")
