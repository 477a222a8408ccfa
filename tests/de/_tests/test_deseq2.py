from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydeseq2.dds import DeseqDataSet
from pydeseq2.ds import DeseqStats

import scpi

pytestmark = pytest.mark.smoke("pydeseq2")


def test_the_test_is_that_of_pydeseq2_on_sums(replicates):
    scpi.de.rank_genes(replicates, "condition", reference="ctrl", method="deseq2", sample_key="sample")
    # The group first and a mean for each condition: with another coding, its optimiser would stop elsewhere
    sums = pd.DataFrame(replicates.X).groupby(replicates.obs["sample"].to_numpy()).sum().astype(int).loc[list("135024")]
    sums.columns = sums.columns.astype(str)
    metadata = pd.DataFrame({"condition": ["stim"] * 3 + ["ctrl"] * 3}, index=sums.index)
    design = pd.get_dummies(metadata["condition"], dtype=float)[["stim", "ctrl"]]
    fit = DeseqDataSet(counts=sums, metadata=metadata, design=design, quiet=True)
    fit.deseq2()
    test = DeseqStats(fit, contrast=np.array([1.0, -1.0]), independent_filter=False, quiet=True)
    test.summary()
    found = scpi.get.de_df(replicates, group="stim").set_index("gene").reindex(replicates.var_names)
    np.testing.assert_allclose(found["pval"], test.results_df["pvalue"], rtol=1e-6)
    np.testing.assert_allclose(found["effect"], test.results_df["log2FoldChange"], atol=1e-6)
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
