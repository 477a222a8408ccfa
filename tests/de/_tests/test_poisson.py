from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import sparse, stats

import scpi
from scpi.de import poisson


def draw(seed, mean, *, n=(150, 350), depth_sd=0.4, shift=1.0, overdispersion=0.0):
    """Counts of genes of equal rates in two groups, of which the second is deeper by the factor `shift`."""
    rng = np.random.default_rng(seed)
    codes = np.repeat([0, 1], n)
    depth = np.exp(depth_sd * rng.normal(size=len(codes))) * np.where(codes == 1, shift, 1.0)
    rate = depth[:, None] * np.asarray(mean)
    if overdispersion:
        rate = rate * rng.gamma(1.0 / overdispersion, overdispersion, size=rate.shape)
    return rng.poisson(rate), codes, depth


def of_statsmodels(counts, codes, depth):
    """Roots of the score statistics of a Poisson regression with depth as offset, for codes as a further predictor."""
    ones = np.ones((len(codes), 1))
    fits = (sm.GLM(y, ones, family=sm.families.Poisson(), offset=np.log(depth)).fit() for y in counts.T)
    return np.sqrt([float(np.squeeze(fit.score_test(exog_extra=codes[:, None])[0])) for fit in fits])


def test_the_score_is_that_of_poisson_regression_where_counts_are_many():
    counts, codes, depth = draw(0, np.full(60, 20.0))
    found = poisson(counts, codes, reference=0, size_factors=depth)
    ratio = np.abs(found.score[1]) / of_statsmodels(counts, codes, depth)
    # The variance is estimated from 500 cells: its standard error is 6 % of it, half of that of the score
    assert abs(ratio.mean() - 1.0) < 0.015
    assert ratio.std() < 0.05
    rate = [(counts[codes == k].sum(axis=0) / depth[codes == k].sum()) for k in (0, 1)]
    np.testing.assert_allclose(found.effect[1], (rate[1] - rate[0]) * np.median(depth), rtol=1e-9)
    np.testing.assert_array_equal(found.score[0], 0.0)
    np.testing.assert_array_equal(found.pval[0], 1.0)


def test_a_case_by_hand():
    """Depth 1 in all cells: the binomial deviance of the counts of the group, over variance by mean."""
    counts = np.array([[0], [1], [3], [0], [1], [1]])
    codes = np.array([1, 1, 1, 0, 0, 0])
    found = poisson(counts, codes, reference=0, size_factors=np.ones(6))
    # Six counts, four of them in the group; residuals of the mean 1 have the sum of squares 6, and 5 are expected
    overdispersion = (6.0 - 5.0) / 5.0
    scale = 1.0 + overdispersion
    deviance = 4.0 * np.log(4.0 / 3.0) + 2.0 * np.log(2.0 / 3.0)
    assert found.score[1, 0] == pytest.approx(np.sqrt(2.0 * deviance / scale), rel=1e-12)
    assert found.pval[1, 0] == pytest.approx(2.0 * stats.norm.sf(found.score[1, 0]), rel=1e-12)
    assert found.effect[1, 0] == pytest.approx(4.0 / 3.0 - 2.0 / 3.0)


@pytest.mark.parametrize("overdispersion", [0.0, 0.5])
@pytest.mark.parametrize(("n", "mean"), [((200, 400), 1.0), ((25, 2000), 0.4)])
def test_p_is_uniform_though_groups_differ_in_depth(n, mean, overdispersion):
    counts, codes, depth = draw(1, np.full(3000, mean), n=n[::-1], shift=3.0, overdispersion=overdispersion)
    pval = poisson(counts, codes, reference=0, size_factors=depth).pval[1]
    for level in (0.05, 0.01):
        assert stats.binomtest(int((pval < level).sum()), len(pval), level).pvalue > 0.001


def test_depth_is_the_sum_of_the_counts():
    counts, codes, _ = draw(2, np.full(300, 1.0), shift=4.0)
    given = poisson(counts, codes, reference=0, size_factors=counts.sum(axis=1))
    own = poisson(counts, codes, reference=0)
    np.testing.assert_array_equal(given.score, own.score)
    assert stats.binomtest(int((own.pval[1] < 0.05).sum()), 300, 0.05).pvalue > 0.001
    logged = np.log1p(counts / counts.sum(axis=1, keepdims=True) * np.median(counts.sum(axis=1)))
    # What this test is for: the rank-sum test of normalised counts takes depth for expression
    assert (scpi.de.wilcoxon(logged, codes, reference=0).pval[1] < 0.05).mean() > 0.25


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, np.float32, np.int64])
def test_every_kind_of_matrix_gives_the_same(convert):
    counts, codes, _ = draw(3, np.full(20, 1.0))
    codes[:10] = -1
    expected = poisson(counts[10:], codes[10:], reference=None)
    found = poisson(convert(counts), codes, reference=None)
    for name in ("effect", "score", "log_pval"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-10)


def test_the_rest_is_all_other_groups():
    counts, _, depth = draw(4, np.full(30, 2.0))
    codes = np.arange(500) % 4
    found = poisson(counts, codes, reference=None, size_factors=depth)
    for group in range(4):
        one = poisson(counts, (codes == group).astype(int), reference=0, size_factors=depth)
        np.testing.assert_allclose(found.score[group], one.score[1], rtol=1e-9)
    against = poisson(counts, codes, reference=2, size_factors=depth)
    pair = codes % 2 == 0
    one = poisson(counts[pair], (codes[pair] == 0).astype(int), reference=0, size_factors=depth[pair])
    np.testing.assert_allclose(against.score[0], one.score[1], rtol=1e-9)


def test_batches_are_compared_within():
    """A gene that batches express at different rates, in groups of which one is mostly of one batch."""
    rng = np.random.default_rng(5)
    batch = np.repeat(["a", "b"], 500)
    codes = (rng.random(1000) < np.where(batch == "a", 0.2, 0.8)).astype(int)
    counts = rng.poisson(np.where(batch == "a", 1.0, 3.0)[:, None] * np.ones(2000))
    depth = np.ones(1000)
    naive = poisson(counts, codes, reference=0, size_factors=depth).pval[1]
    adjusted = poisson(counts, codes, reference=0, size_factors=depth, covariates=pd.DataFrame({"batch": batch}))
    assert (naive < 0.05).mean() > 0.99
    assert stats.binomtest(int((adjusted.pval[1] < 0.05).sum()), 2000, 0.05).pvalue > 0.001
    assert np.median(np.abs(adjusted.effect[1])) < 0.1
    # One batch, and the other where there is nothing to compare: as the first alone
    alone = np.where(batch == "b", 0, codes)
    one = poisson(counts, alone, reference=0, size_factors=depth, covariates=batch[:, None])
    rest = poisson(counts[:500], codes[:500], reference=0, size_factors=depth[:500])
    np.testing.assert_array_equal(np.sign(one.score[1]), np.sign(rest.score[1]))
    assert np.corrcoef(one.score[1], rest.score[1])[0, 1] > 0.99


def test_power_is_that_of_a_likelihood_ratio():
    """Beside the zero-inflated negative binomial model and logistic regression on the log depth."""
    counts, codes, depth = draw(6, np.full(150, 1.0), overdispersion=0.3)
    rng = np.random.default_rng(7)
    counts[codes == 1, :75] = rng.binomial(counts[codes == 1, :75], 0.75)
    pval = poisson(counts, codes, reference=0, size_factors=depth).pval[1]
    logged = np.log1p(counts / depth[:, None])
    other = scpi.de.logistic(logged, codes, reference=0, covariates=np.log(depth)[:, None]).pval[1]
    assert (pval[:75] < 0.05).mean() > (other[:75] < 0.05).mean() - 0.05
    assert (pval[:75] < 0.05).mean() > 0.5
    assert (pval[75:] < 0.05).mean() < 0.12


def test_columns_that_do_not_vary_are_no_evidence():
    counts, codes, _ = draw(8, np.full(3, 2.0))
    counts[:, 0], counts[:, 1] = 0, 1
    found = poisson(counts, codes, reference=0, size_factors=np.ones(len(codes)))
    np.testing.assert_array_equal(found.score[1, :2], 0.0)
    np.testing.assert_array_equal(found.pval[1, :2], 1.0)
    assert found.score[1, 2] != 0


def test_p_is_finite_on_the_log_scale():
    counts = np.zeros((4000, 2), dtype=int)
    counts[:2000, 0], counts[2000:, 1] = 5, 5
    found = poisson(counts + 1, np.repeat([0, 1], 2000), reference=0)
    assert found.pval[1].max() < 1e-200
    assert np.isfinite(found.log_pval).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": np.full((4, 2), 0.5)}, "must be counts"),
        ({"codes": [0, 1, 1, 1]}, "at least 2"),
        ({"covariates": np.arange(4.0)}, r"the covariates '0' are numbers: divide them into classes"),
        ({"covariates": np.array([["a"]] * 3)}, "one row for each of the 4 rows, but has 3"),
        ({"covariates": np.array([["a"], ["a"], ["b"], ["b"]])}, "no counts in any combination of the covariates"),
        ({"values": np.zeros((4, 2))}, "Group 1, or what it is compared with, has no counts"),
        ({"size_factors": [1.0, 1.0]}, "one value for each of the 4 cells"),
    ],
)
def test_bad_input_is_named(arguments, message):
    given = {"values": np.ones((4, 2)), "codes": [0, 0, 1, 1], "reference": 0} | arguments
    with pytest.raises(ValueError, match=message):
        poisson(given.pop("values"), given.pop("codes"), **given)


def test_rank_genes_takes_it_with_batches(tmp_path):
    counts, codes, _ = draw(9, np.full(30, 2.0))
    adata = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    adata.obs["group"] = pd.Categorical(np.array(["x", "y"])[codes])
    adata.obs["batch"] = np.tile(["1", "2"], 250)
    scpi.de.rank_genes(adata, "group", method="poisson", covariates="batch")
    expected = poisson(counts, codes, reference=None, covariates=adata.obs[["batch"]])
    found = scpi.get.de_df(adata, group="y").set_index("gene")["pval"][adata.var_names]
    np.testing.assert_allclose(found, expected.pval[1], rtol=1e-6)
    adata.write_h5ad(tmp_path / "a.h5ad")
    stored = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    scpi.de.rank_genes(stored, "group", method="poisson", covariates="batch", key_added="stored")
    backed, own = (data.uns[key]["pvals"]["y"] for data, key in ((stored, "stored"), (adata, "rank_genes_groups")))
    np.testing.assert_array_equal(backed, own)
