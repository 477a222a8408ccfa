from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import scpi

DIFFERENCE = np.array([[0.2, -0.9], [0.4, 0.1]])


def make(*tables):
    adata = ad.AnnData(np.ones((2, 2), dtype=np.float32))
    adata.uns["impact_contrast"] = {
        "units": np.array(["u", "v"], dtype=object),
        "sets": np.array(["r", "s"], dtype=object),
        "size": np.array([10, 20]),
        **{name: DIFFERENCE * (i + 1) for i, name in enumerate(("difference", "zscore", *tables))},
    }
    return adata


def test_only_what_was_tested_has_columns():
    frame = scpi.get.impact_contrast(make("pval"))
    assert frame.columns.tolist() == ["unit", "set", "size", "difference", "zscore", "pval", "rank"]
    frame = scpi.get.impact_contrast(make("pval_permuted", "pval_both_adj"))
    assert frame.columns.tolist()[3:-1] == ["difference", "zscore", "pval_both_adj", "pval_permuted"]


def test_the_largest_difference_comes_first_in_either_direction():
    frame = scpi.get.impact_contrast(make("pval_both_adj"))
    assert (frame["unit"] + frame["set"]).tolist() == ["us", "ur", "vr", "vs"]
    np.testing.assert_allclose(frame["zscore"], 2 * frame["difference"])
    assert scpi.get.impact_contrast(make("pval_both_adj"), top_n=1)["set"].tolist() == ["s", "r"]


def test_the_cutoff_is_for_both_questions_together():
    adata = make("pval", "pval_both_adj")
    adata.uns["impact_contrast"]["pval_both_adj"] = np.array([[0.01, 0.2], [0.05, 0.06]])
    adata.uns["impact_contrast"]["pval"] = np.zeros((2, 2))
    frame = scpi.get.impact_contrast(adata, pval_cutoff=0.05)
    assert (frame["unit"] + frame["set"]).tolist() == ["ur", "vr"]


def test_the_result_of_another_tool_is_refused():
    adata = make()
    with pytest.raises(KeyError, match="impact_contrast"):
        scpi.get.impact_contrast(adata, key="gene_set_impact")
