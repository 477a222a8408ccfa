from __future__ import annotations

import numpy as np
import pandas as pd
import pyedger
import pytest

import scpi

pytestmark = pytest.mark.smoke("pyedger")


def test_the_test_is_that_of_pyedger_on_sums(replicates):
    scpi.de.rank_genes(
        replicates, "condition", reference="ctrl", method="edger", sample_key="sample", filter_genes=False
    )
    # A mean for each condition, in order: with another coding, its iterations would stop elsewhere
    sums = pd.DataFrame(replicates.X).groupby(replicates.obs["sample"].to_numpy()).sum().loc[list("024135")].T
    design = pd.DataFrame({"ctrl": [1.0] * 3 + [0.0] * 3, "stim": [0.0] * 3 + [1.0] * 3}, index=sums.columns)
    fit = pyedger.glm_ql_fit(pyedger.calc_norm_factors(pyedger.DGEList(sums)), design=design)
    expected = pyedger.glm_qlf_test(fit, contrast=np.array([-1.0, 1.0])).table
    found = scpi.get.de_df(replicates, group="stim").set_index("gene").reindex(replicates.var_names)
    np.testing.assert_allclose(found["pval"], expected["PValue"], rtol=1e-6)
    np.testing.assert_allclose(found["effect"], expected["logFC"], atol=1e-6)
    assert set(found["pval"].nsmallest(10).index) == {str(i) for i in range(10)}


def test_covariates_are_adjusted_for_and_genes_filtered(replicates):
    replicates.X[:, 50:60] = 0
    scpi.de.rank_genes(
        replicates, "condition", reference="ctrl", method="edger", sample_key="sample", covariates=["donor"]
    )
    found = scpi.get.de_df(replicates, group="stim").set_index("gene").reindex(replicates.var_names)
    assert found["pval"].iloc[50:60].isna().all()
    assert found["pval"].iloc[:50].notna().all()
    assert replicates.uns["rank_genes_groups"]["params"]["covariates"] == ["donor"]


def test_the_rest_is_the_mean_of_the_other_groups(replicates):
    both, one = replicates.copy(), replicates.copy()
    scpi.de.rank_genes(both, "condition", method="edger", sample_key="sample")
    scpi.de.rank_genes(one, "condition", method="edger", sample_key="sample", reference="ctrl")
    a, b = (scpi.get.de_df(adata, group="stim").set_index("gene").sort_index() for adata in (both, one))
    np.testing.assert_allclose(a["pval"], b["pval"], rtol=1e-6)  # of two groups, the rest is the other one


def test_splits_contrasts_and_pairs(replicates):
    replicates.obs["kind"] = np.where(np.arange(120) % 2 == 0, "B", "T")
    options = {"method": "edger", "sample_key": "sample", "filter_genes": False, "min_cells": 1}
    scpi.de.rank_genes(replicates, "condition", contrasts=["stim - ctrl"], split_by="kind", **options)
    table = replicates.uns["rank_genes_groups"]["groups"]
    assert table["group"].tolist() == ["B | stim - ctrl", "T | stim - ctrl"]
    assert table["n_samples"].tolist() == [3, 3]
    alone = replicates[replicates.obs["kind"] == "B"].copy()
    scpi.de.rank_genes(alone, "condition", reference="ctrl", **options)
    scpi.de.rank_genes(alone, "condition", contrasts="pairs", key_added="pairs", **options)
    columns = ["log2fc", "pval", "ave_expr"]
    b, one, pair = (
        scpi.get.de_df(adata, key=key, group=group).set_index("gene").sort_index()[columns]
        for adata, key, group in (
            (replicates, "rank_genes_groups", "B | stim - ctrl"),
            (alone, "rank_genes_groups", "stim"),
            (alone, "pairs", "stim - ctrl"),
        )
    )
    pd.testing.assert_frame_equal(b, one)
    pd.testing.assert_frame_equal(pair, one)


def test_fractions_of_cells_of_groups(replicates):
    options = {"method": "edger", "sample_key": "sample", "filter_genes": False, "pts": True}
    scpi.de.rank_genes(replicates, "condition", reference="ctrl", **options)
    found = scpi.get.de_df(replicates, group="stim").set_index("gene").reindex(replicates.var_names)
    is_stim = (replicates.obs["condition"] == "stim").to_numpy()
    np.testing.assert_allclose(found["pts"], (replicates.X[is_stim] > 0).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["pts_rest"], (replicates.X[~is_stim] > 0).mean(axis=0), rtol=1e-6)
    with pytest.raises(ValueError, match="`pts` are fractions of the cells of groups and of one reference"):
        scpi.de.rank_genes(replicates, "condition", contrasts="pairs", **options)
