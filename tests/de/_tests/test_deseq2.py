from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from pydeseq2.dds import DeseqDataSet
from pydeseq2.ds import DeseqStats

import scpi

pytestmark = pytest.mark.smoke("pydeseq2")


def test_the_test_is_that_of_pydeseq2_on_sums(replicates):
    scpi.de.rank_genes(replicates, "condition", reference="ctrl", method="deseq2", sample_key="sample")
    # A mean for each condition, in order: with another coding, its optimiser would stop elsewhere
    sums = pd.DataFrame(replicates.X).groupby(replicates.obs["sample"].to_numpy()).sum().astype(int).loc[list("024135")]
    sums.columns = sums.columns.astype(str)
    metadata = pd.DataFrame({"condition": ["ctrl"] * 3 + ["stim"] * 3}, index=sums.index)
    design = pd.get_dummies(metadata["condition"], dtype=float)[["ctrl", "stim"]]
    fit = DeseqDataSet(counts=sums, metadata=metadata, design=design, quiet=True)
    fit.deseq2()
    test = DeseqStats(fit, contrast=np.array([-1.0, 1.0]), independent_filter=True, quiet=True)
    test.summary()
    found = scpi.get.de_df(replicates, group="stim").set_index("gene").reindex(replicates.var_names)
    np.testing.assert_allclose(found["pval"], test.results_df["pvalue"], rtol=1e-6)
    np.testing.assert_allclose(found["effect"], test.results_df["log2FoldChange"], atol=1e-6)
    np.testing.assert_allclose(found["log2fc"], test.results_df["log2FoldChange"], atol=1e-5)
    np.testing.assert_allclose(found["ave_expr"], np.log2(test.results_df["baseMean"]))
    np.testing.assert_allclose(found["pval_adj"], test.results_df["padj"], rtol=1e-5)
    assert set(found["pval"].nsmallest(10).index) == {str(i) for i in range(10)}


def test_covariates_are_adjusted_for_and_empty_genes_left_out(replicates):
    replicates.X[:, 50:60] = 0
    scpi.de.rank_genes(
        replicates, "condition", reference="ctrl", method="deseq2", sample_key="sample", covariates=["donor"]
    )
    found = scpi.get.de_df(replicates, group="stim").set_index("gene").reindex(replicates.var_names)
    assert found["pval"].iloc[50:60].isna().all()
    assert found["pval"].iloc[:50].notna().all()
    assert replicates.uns["rank_genes_groups"]["params"]["covariates"] == ["donor"]


def test_the_rest_is_the_mean_of_the_other_groups(replicates):
    both, one = replicates.copy(), replicates.copy()
    scpi.de.rank_genes(both, "condition", method="deseq2", sample_key="sample")
    scpi.de.rank_genes(one, "condition", method="deseq2", sample_key="sample", reference="ctrl")
    a, b = (scpi.get.de_df(adata, group="stim").set_index("gene").sort_index() for adata in (both, one))
    np.testing.assert_allclose(a["pval"], b["pval"], rtol=1e-4)  # of two groups, the rest is the other one


def test_independent_filtering_leaves_genes_of_low_mean_out_of_the_adjustment():
    rng = np.random.default_rng(3)
    rate = np.where(np.arange(400) < 200, 0.3, 60.0)[None, :] * rng.gamma(20.0, 0.05, (8, 400))
    rate[4:, 200:260] *= 1.7
    adata = ad.AnnData(
        rng.poisson(rate).astype(np.float32), obs={"group": ["a"] * 4 + ["b"] * 4, "sample": list("12345678")}
    )
    options = {"reference": "a", "method": "deseq2", "sample_key": "sample", "min_cells": 1}
    scpi.de.rank_genes(adata, "group", **options)
    scpi.de.rank_genes(adata, "group", independent_filter=False, key_added="all", **options)
    found = scpi.get.de_df(adata).set_index("gene").sort_index()
    without = scpi.get.de_df(adata, key="all").set_index("gene").sort_index()
    np.testing.assert_array_equal(found["pval"], without["pval"])
    filtered = found["pval_adj"].isna()
    assert filtered.sum() > 100 and without["pval_adj"].notna().all()
    assert found.loc[filtered, "ave_expr"].max() < found.loc[~filtered, "ave_expr"].min()
    assert (found["pval_adj"] < 0.05).sum() > (without["pval_adj"] < 0.05).sum()
    assert adata.uns["all"]["params"]["independent_filter"] is False


def test_a_slope_and_an_interaction(replicates):
    replicates.obs["dose"] = replicates.obs["donor"].astype(float) * (replicates.obs["condition"] == "stim")
    scpi.de.rank_genes(replicates, method="deseq2", sample_key="sample", formula="~ dose", coef="dose", min_cells=1)
    sums = pd.DataFrame(replicates.X).groupby(replicates.obs["sample"].to_numpy()).sum().astype(int)
    sums.columns = sums.columns.astype(str)
    dose = replicates.obs.groupby("sample")["dose"].first()
    design = pd.DataFrame({"Intercept": 1.0, "dose": dose})
    fit = DeseqDataSet(counts=sums, metadata=design, design=design, quiet=True)
    fit.deseq2()
    test = DeseqStats(fit, contrast=np.array([0.0, 1.0]), quiet=True)
    test.summary()
    found = scpi.get.de_df(replicates, group="dose").set_index("gene").reindex(replicates.var_names)
    np.testing.assert_allclose(found["log2fc"], test.results_df["log2FoldChange"], atol=1e-5)
    np.testing.assert_allclose(found["pval"], test.results_df["pvalue"], rtol=1e-5)
