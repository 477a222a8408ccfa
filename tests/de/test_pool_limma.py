from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from scpi import de


def draw(seed: int, n_genes: int = 40) -> ad.AnnData:
    counts = np.random.default_rng(seed).poisson(60, (8, n_genes)).astype(float)
    counts[4:, 3] *= 4
    obs = pd.DataFrame({"condition": ["ctrl"] * 4 + ["a", "a", "b", "b"]}, index=[f"s{i}" for i in range(8)])
    adata = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]))
    de.limma(adata, "condition", reference="ctrl")
    return adata


@pytest.fixture(scope="module")
def draws():
    return [draw(seed) for seed in range(3)]


@pytest.mark.parametrize("sets", ["generated", "imputed"])
def test_tests_are_pooled_gene_by_gene(draws, sets):
    pooled = de.pool_limma(draws, sets=sets)
    tables = [sc.get.rank_genes_groups_df(one, "b", key="limma").set_index("names") for one in draws]
    found = sc.get.rank_genes_groups_df(pooled, "b", key="limma").set_index("names")
    order = found.index
    estimates = np.stack([table.loc[order, "logfoldchanges"] for table in tables])
    stored = [pd.DataFrame({k: one.uns["limma"][k]["b"] for k in ("names", "std_error", "df")}) for one in draws]
    errors, df = (np.stack([t.set_index("names").loc[order, k] for t in stored]) for k in ("std_error", "df"))
    expected = de.pool_draws(estimates, errors, df, sets=sets)
    np.testing.assert_allclose(found["scores"], expected.t, rtol=1e-5)
    np.testing.assert_allclose(found["pvals"], np.exp(expected.log_pval), rtol=1e-4)
    np.testing.assert_allclose(found["pvals_adj"], de.false_discovery_control(found["pvals"]))
    result = pooled.uns["limma"]
    np.testing.assert_allclose(
        result["ci_high"]["b"] + result["ci_low"]["b"], 2 * result["logfoldchanges"]["b"], atol=1e-5
    )
    assert result["params"]["n_draws"] == 3 and result["params"]["sets"] == sets
    assert order[0] == "g3"


def test_draws_of_a_model_are_the_default(draws):
    pooled, stated = de.pool_limma(draws), de.pool_limma(draws, sets="generated")
    np.testing.assert_array_equal(pooled.uns["limma"]["pvals"]["b"], stated.uns["limma"]["pvals"]["b"])


def test_samples_of_all_draws(draws):
    pooled = de.pool_limma(draws)
    assert pooled.n_obs == 24 and pooled.obs_names.is_unique
    assert pooled.obs["draw"].value_counts().tolist() == [8, 8, 8]
    assert pooled.uns["limma"]["groups"]["label"].tolist() == ["a", "b"]


def test_genes_that_one_draw_does_not_test(draws):
    other = draws[0].copy()
    other.X[:, 5] = 0
    de.limma(other, "condition", reference="ctrl")
    pooled = de.pool_limma([other, draws[1]])
    table = sc.get.rank_genes_groups_df(pooled, "a", key="limma").set_index("names")
    assert np.isnan(table.loc["g5", "pvals"]) and table["pvals"].notna().sum() == 39


def test_round_trip(draws, tmp_path):
    pooled = de.pool_limma(draws)
    pooled.write_h5ad(tmp_path / "pooled.h5ad")
    back = ad.read_h5ad(tmp_path / "pooled.h5ad")
    np.testing.assert_array_equal(back.uns["limma"]["pvals"]["a"], pooled.uns["limma"]["pvals"]["a"])


def test_bad_input(draws):
    with pytest.raises(ValueError, match="at least two draws, got 1"):
        de.pool_limma(draws[:1])
    with pytest.raises(ValueError, match="same genes"):
        de.pool_limma([draws[0], draw(0, n_genes=30)])
    with pytest.raises(KeyError, match="no ranking of genes under 'other'"):
        de.pool_limma(draws, key="other")
