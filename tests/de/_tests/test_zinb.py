from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import optimize, sparse, special, stats
from statsmodels.discrete.count_model import ZeroInflatedNegativeBinomialP

from scpi.de import zinb
from scpi.de._tests._zinb import _Pooled
from scpi.de._zinb import _derivatives, fit_from_counts, log_likelihood


def simulate(seed, n_cells=400, n_genes=300, *, overdispersion=0.4, inflated=0.3, depth_sd=0.3):
    """Counts of genes of which every second one is overdispersed and every third one zero-inflated."""
    rng = np.random.default_rng(seed)
    depth = np.exp(depth_sd * rng.normal(size=n_cells))
    mean = 0.3 + rng.gamma(1.0, 2.0, size=n_genes)
    alpha = np.where(np.arange(n_genes) % 2 == 0, overdispersion, 1e-6)
    pi = np.where(np.arange(n_genes) % 3 == 0, inflated, 0.0)
    rate = depth[:, None] * mean * rng.gamma(1.0 / alpha, alpha, size=(n_cells, n_genes))
    return rng.poisson(rate) * (rng.random((n_cells, n_genes)) >= pi), depth


def in_interval(pval, level=0.05):
    """Whether the share of p below `level` is within its binomial interval of 99.9 %."""
    return stats.binomtest(int((pval < level).sum()), len(pval), level).pvalue > 0.001


@pytest.fixture(scope="module")
def fitted():
    """Counts of twelve genes in cells of equal depth, for which statsmodels needs no bins, and their fit."""
    counts, _ = simulate(0, n_genes=12)
    return counts, _Pooled.of(sparse.csr_matrix(counts), np.ones(len(counts)), np.arange(len(counts)))


def of_statsmodels(y):
    """Log-likelihood of one gene as a function of the logit of the inflation, the log mean and the overdispersion."""
    return ZeroInflatedNegativeBinomialP(y, np.ones((len(y), 1)), exog_infl=np.ones((len(y), 1))).loglike


def constant(y):
    """The term of the factorials, which the log-likelihood here leaves out."""
    return stats.poisson.logpmf(y, 1.0).sum() + len(y)


def test_the_likelihood_is_that_of_statsmodels(fitted):
    counts, pooled = fitted
    theta = np.tile([[0.4], [np.log1p(0.3)], [1.0 / (1.0 + np.exp(0.8))]], (1, 12))
    mine = log_likelihood(pooled.tally, theta)
    log_mean, spread, inflation = pooled.fit.theta
    # Of the fits, those that the logit and the formulas with one over the overdispersion can express
    inside = (inflation > 1e-3) & (spread > 1e-3)
    assert inside.sum() >= 3
    for gene, y in enumerate(counts.T):
        loglike = of_statsmodels(y)
        assert mine[gene] + constant(y) == pytest.approx(loglike(np.array([-0.8, 0.4, 0.3])), rel=1e-9)
        if inside[gene]:
            at = np.array([special.logit(inflation[gene]), log_mean[gene], np.expm1(spread[gene])])
            assert pooled.fit.log_likelihood[gene] + constant(y) == pytest.approx(loglike(at), rel=1e-9)


def test_no_other_optimiser_finds_more(fitted):
    counts, pooled = fitted
    for gene, y in enumerate(counts.T):
        loglike = of_statsmodels(y)
        best = max(
            -optimize.minimize(
                lambda parameters, loglike=loglike: -loglike(parameters),
                [logit, np.log(y.mean()), 0.3],
                bounds=[(-12.0, 5.0), (-5.0, 5.0), (1e-6, 50.0)],
            ).fun
            for logit in (-3.0, 0.0)
        )
        # How much less it finds is its own affair: it may stop early, and its bounds keep it short of the boundary
        assert pooled.fit.log_likelihood[gene] + constant(y) >= best - 1e-6


def test_the_fit_is_a_maximum_within_the_bounds(fitted):
    _, pooled = fitted
    theta, h = pooled.fit.theta, 1e-4
    here = log_likelihood(pooled.tally, theta)
    np.testing.assert_allclose(pooled.fit.log_likelihood, here, rtol=1e-12)
    on_edge = np.stack([np.zeros(12, dtype=bool), theta[1] < 1e-8, theta[2] < 1e-8])
    assert 0 < on_edge.sum() < 12
    for row in range(3):
        shift = np.zeros((3, 1))
        shift[row] = h
        up = log_likelihood(pooled.tally, theta + shift)
        down = log_likelihood(pooled.tally, np.maximum(theta - shift, [[-np.inf], [0.0], [0.0]]))
        # On the edge of what a parameter can be, the likelihood falls inwards
        assert (up[on_edge[row]] < here[on_edge[row]]).all()
        free = ~on_edge[row]
        slope, curvature = (up - down)[free] / (2 * h), (2 * here - up - down)[free] / h**2
        assert (curvature > 0).all()
        # What a step to the top of the parabola would gain
        assert (slope**2 / (2 * curvature)).max() < 1e-6


def test_derivatives_are_those_of_the_likelihood():
    counts, depth = simulate(9, n_genes=12)
    counts[:, 0] *= 40
    data = _Pooled.of(sparse.csr_matrix(counts), depth, np.arange(len(counts))).tally
    theta = np.array([np.linspace(-0.5, 2.0, 12), np.linspace(1e-3, 1.0, 12), np.linspace(0.01, 0.6, 12)])
    gradient, hessian = _derivatives(data, theta)
    for row in range(3):
        shift = np.zeros((3, 1))
        shift[row] = 1e-5
        up, down = theta + shift, theta - shift
        numeric = (log_likelihood(data, up) - log_likelihood(data, down)) / 2e-5
        np.testing.assert_allclose(gradient[row], numeric, rtol=1e-5, atol=1e-3)
        numeric = (_derivatives(data, up)[0] - _derivatives(data, down)[0]) / 2e-5
        np.testing.assert_allclose(hessian[:, row], numeric.T, rtol=1e-4, atol=1e-2)


def test_the_parameters_are_found():
    counts, depth = simulate(1, n_cells=20_000, n_genes=6)
    pooled = _Pooled.of(sparse.csr_matrix(counts), depth, np.arange(len(counts)))
    alpha, inflation = np.expm1(pooled.fit.theta[1]), pooled.fit.theta[2]
    np.testing.assert_allclose(alpha, [0.4, 0.0, 0.4, 0.0, 0.4, 0.0], atol=0.06)
    np.testing.assert_allclose(inflation, [0.3, 0.0, 0.0, 0.3, 0.0, 0.0], atol=0.06)
    mean = (counts / depth[:, None]).mean(axis=0) * np.median(depth)
    np.testing.assert_allclose(pooled.fit.mean, mean, rtol=0.03)


def test_large_counts_are_not_summed_one_by_one():
    counts = np.random.default_rng(2).negative_binomial(2.0, 0.005, size=(300, 1))
    pooled = _Pooled.of(sparse.csr_matrix(counts), np.ones(300), np.arange(300))
    assert counts.max() > 1000
    a, log_mean = np.expm1(pooled.fit.theta[1, 0]), pooled.fit.theta[0, 0]
    size = 1.0 / a
    expected = stats.nbinom.logpmf(counts, size, size / (size + np.exp(log_mean))).sum()
    constant = (stats.poisson.logpmf(counts, 1.0) + 1.0).sum()
    assert pooled.fit.theta[2, 0] < 0.01
    value = log_likelihood(pooled.tally, np.array([[log_mean], [np.log1p(a)], [0.0]]))[0]
    assert value + constant == pytest.approx(expected, abs=1e-4)
    again = fit_from_counts(pooled.tally)
    assert again.log_likelihood[0] >= value - 1e-6


@pytest.mark.parametrize("reference", [0, None])
def test_p_is_uniform_under_permuted_labels(reference):
    counts, _ = simulate(3, n_genes=600)
    codes = np.random.default_rng(0).permutation(np.repeat([0, 1], [250, 150]))
    pval = zinb(sparse.csr_matrix(counts), codes, reference=reference).pval[1]
    assert stats.kstest(pval, "uniform").pvalue > 0.01
    assert in_interval(pval)
    assert in_interval(pval, 0.2)


@pytest.mark.parametrize(
    ("file", "column", "label"),
    [("pbmc3k_labelled.h5ad", "cell_type", "NK"), ("kang_muscat.h5ad", "cell_type", None)],
)
def test_p_holds_on_permuted_labels_of_real_cells(test_data, file, column, label):
    adata = ad.read_h5ad(test_data(file))
    label = adata.obs[column].value_counts().index[0] if label is None else label
    cells = adata[adata.obs[column] == label]
    cells = cells[:, np.asarray((cells.X > 0).sum(axis=0)).ravel() >= 10]
    order = np.argsort(-np.asarray(cells.X.sum(axis=0)).ravel())[:1000]
    counts = sparse.csr_matrix(cells.X)[:, order]
    rng = np.random.default_rng(1)
    depth = np.asarray(cells.X.sum(axis=1)).ravel()
    codes = (rng.permutation(cells.n_obs) < cells.n_obs // 3).astype(int)
    pval = zinb(counts, codes, reference=0, size_factors=depth).pval[1]
    assert in_interval(pval)
    assert in_interval(pval, 0.2)


def test_planted_differences_are_found_and_signed():
    counts, _ = simulate(4, n_genes=300, inflated=0.0)
    codes = np.arange(400) % 2
    rng = np.random.default_rng(0)
    planted = counts.copy()
    group = codes == 1
    # More of the first 20 genes, less of the next, none in half of the cells for the third
    planted[np.ix_(group, range(20))] += rng.poisson(1.5 * counts[np.ix_(group, range(20))])
    planted[np.ix_(group, range(20, 40))] = rng.binomial(counts[np.ix_(group, range(20, 40))], 0.4)
    planted[np.ix_(group, range(40, 60))] *= rng.random((group.sum(), 20)) < 0.5
    result = zinb(planted, codes, reference=0)
    assert (result.pval[1, :60] < 0.001).mean() > 0.9
    assert in_interval(result.pval[1, 60:])
    strong = result.pval[1, :60] < 0.001
    np.testing.assert_array_equal(np.sign(result.score[1, :60])[strong], np.repeat([1.0, -1.0, -1.0], 20)[strong])
    np.testing.assert_allclose(2.0 * stats.norm.sf(np.abs(result.score[1])), result.pval[1], rtol=1e-6)
    # The same mean, spread over half of the cells
    spread = counts.copy()
    spread[np.ix_(group, range(20))] *= 2 * (rng.random((group.sum(), 20)) < 0.5)
    result = zinb(spread, codes, reference=0)
    assert (result.pval[1, :20] < 0.01).mean() > 0.8


def test_unequal_depth_is_no_difference():
    rng = np.random.default_rng(5)
    codes = np.repeat([0, 1], 300)
    depth = np.where(codes == 1, 0.4, 1.0) * np.exp(0.2 * rng.normal(size=600))
    counts = rng.poisson(depth[:, None] * (0.3 + rng.gamma(1.0, 2.0, size=400)))
    assert in_interval(zinb(counts, codes, reference=0, size_factors=depth).pval[1])
    assert (zinb(counts, codes, reference=0, size_factors=np.ones(600)).pval[1] < 0.05).mean() > 0.8


def test_p_is_finite_on_the_log_scale():
    counts, _ = simulate(6, n_cells=3000, n_genes=40, inflated=0.0)
    codes = np.arange(3000) % 2
    counts[codes == 1, 0] += 60
    result = zinb(counts, codes, reference=0, size_factors=np.ones(3000))
    assert result.pval[1, 0] == 0
    assert -1e6 < result.log_pval[1, 0] < -745
    assert np.isfinite(result.score).all()
    assert result.score[1].argmax() == 0


def test_input_may_be_sparse_and_results_do_not_depend_on_threads():
    counts, _ = simulate(7, n_genes=30)
    codes = np.arange(400) % 3 - 1
    counts[:, 4] = 0
    dense = zinb(counts, codes, reference=0, n_permutations=4)
    csc = zinb(sparse.csc_matrix(counts.astype(np.float32)), codes, reference=0, n_permutations=4, n_jobs=2)
    np.testing.assert_allclose(dense.log_pval, csc.log_pval)
    np.testing.assert_array_equal(dense.pval[0], 1)
    assert dense.pval[1, 4] == 1
    assert dense.score[1, 4] == 0
    kept = codes >= 0
    depth = counts.sum(axis=1)
    alone = zinb(counts[kept], codes[kept], reference=0, n_permutations=4, size_factors=depth[kept])
    np.testing.assert_allclose(alone.log_pval, dense.log_pval)


def test_cells_without_counts_are_left_out():
    counts, _ = simulate(8, n_genes=20)
    codes = np.arange(400) % 2
    padded = np.vstack([counts, np.zeros((50, 20), dtype=int)])
    result = zinb(padded, np.append(codes, np.ones(50, dtype=int)), reference=0, n_permutations=4)
    np.testing.assert_allclose(result.log_pval, zinb(counts, codes, reference=0, n_permutations=4).log_pval)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [[-1], [1], [2], [3]]}, "negative"),
        ({"values": [[0.5], [1], [2], [3]]}, "fractional"),
        ({"values": [[np.nan], [1], [2], [3]]}, "missing"),
        ({"codes": [0, 0, 0, 1]}, "group 1 has 1"),
        ({"values": [[1], [1], [0], [3]]}, "group 1 has 1"),
        ({"size_factors": [1.0]}, "4 cells"),
        ({"n_permutations": 3}, "at least 4"),
        ({"reference": 2}, "groups are 0 to 1"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        zinb(**{"values": [[1], [2], [3], [4]], "codes": [0, 0, 1, 1], "reference": 0, **arguments})
