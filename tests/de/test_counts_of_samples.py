"""Steps of limma-voom that start from counts: gene filter, normalisation, voom."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi import de

DESIGN = np.repeat(np.eye(2), 5, axis=0)


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    mean = rng.gamma(0.7, 60.0, 500) + 0.02
    return rng.negative_binomial(8.0, 8.0 / (8.0 + mean * rng.lognormal(0, 0.2, (10, 1)))).astype(np.float64)


# --- every one of them


@pytest.mark.parametrize("function", [de.norm_factors, de.filter_by_expr, lambda x: de.voom(x, DESIGN)])
def test_what_is_no_count(counts, function):
    for bad, message in (
        (np.log1p(counts), "looks like log-normalised data"),
        (counts * 33.3, "fractional"),
        (-counts, "negative"),
        (np.where(counts > 50, np.nan, counts), "missing"),
    ):
        with pytest.raises(ValueError, match=message):
            function(bad)
    counts[3] = 0
    with pytest.raises(ValueError, match=r"1 sample\(s\) have no counts, such as number 3"):
        function(counts)


def test_sparse_counts_are_the_same(counts):
    compressed = sparse.csr_matrix(counts)
    np.testing.assert_array_equal(de.norm_factors(compressed), de.norm_factors(counts))
    np.testing.assert_array_equal(de.filter_by_expr(compressed, DESIGN), de.filter_by_expr(counts, DESIGN))
    ours, theirs = de.voom(compressed, DESIGN), de.voom(counts, DESIGN)
    np.testing.assert_allclose(ours.weights, theirs.weights)


# --- norm_factors


def test_factors_find_the_composition():
    """A tenth of the genes go up fourfold in one sample, which takes reads from all others."""
    rng = np.random.default_rng(0)
    share = np.tile(rng.gamma(2.0, size=2000), (6, 1))
    share[5, :200] *= 4.0
    share /= share.sum(axis=1, keepdims=True)
    counts = rng.poisson(share * 4e6)
    factors = de.norm_factors(counts)
    assert np.exp(np.log(factors).mean()) == pytest.approx(1.0)
    expected = share[5, 200:].sum() / share[0, 200:].sum()
    assert factors[5] / factors[:5].mean() == pytest.approx(expected, rel=0.02)
    assert np.ptp(factors[:5]) < 0.02


def test_the_reference_sample(counts):
    for reference in range(10):
        np.testing.assert_allclose(de.norm_factors(counts, ref_sample=reference), de.norm_factors(counts), rtol=0.1)
    with pytest.raises(ValueError, match="`ref_sample` is 10"):
        de.norm_factors(counts, ref_sample=10)


def test_samples_without_a_gene_in_common():
    counts = np.kron(np.eye(3), np.full((1, 4), 20.0))
    np.testing.assert_array_equal(de.norm_factors(counts), 1.0)


def test_one_sample_or_one_gene():
    assert de.norm_factors([[3, 4]]).tolist() == [1.0]
    assert de.norm_factors([[3], [4]]).tolist() == [1.0, 1.0]


# --- filter_by_expr


def test_the_smallest_group_counts():
    counts = np.full((7, 3), 100.0)
    counts[:, 1] = [100, 100, 0, 0, 0, 0, 0]
    counts[:, 2] = [100, 100, 100, 0, 0, 0, 0]
    sizes = np.full(7, 1e6)
    assert de.filter_by_expr(counts, groups=list("aaabbbb"), lib_size=sizes).tolist() == [True, False, True]
    assert de.filter_by_expr(counts, groups=list("aabbbbb"), lib_size=sizes).tolist() == [True, True, True]
    assert de.filter_by_expr(counts, lib_size=sizes).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="`groups` must have one label for each of 7"):
        de.filter_by_expr(counts, groups=["a"])
    with pytest.raises(ValueError, match="`lib_size` must have one value"):
        de.filter_by_expr(counts, lib_size=[1.0])


# --- voom


def test_the_weights_are_the_trend_at_the_expected_count(counts):
    result = de.voom(counts, DESIGN, span="adaptive")
    expression = np.log2((counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 1.0) * 1e6)
    np.testing.assert_allclose(result.expression, expression)
    fitted = np.repeat([expression[:5].mean(axis=0), expression[5:].mean(axis=0)], 5, axis=0)
    expected = fitted + np.log2((counts.sum(axis=1, keepdims=True) + 1.0) / 1e6)
    order = np.argsort(result.mean_log_count)
    n = int((~np.isnan(result.line)).sum())
    x, line = result.mean_log_count[order][:n], result.line[order][:n]
    np.testing.assert_allclose(result.weights, np.interp(expected, x, line) ** -4.0)
    sd = np.sqrt(np.square(expression - fitted).sum(axis=0) / 8)
    np.testing.assert_allclose(result.sqrt_sd[order][:n], np.sqrt(sd)[order][:n])
    assert result.span == pytest.approx(0.3 + 0.7 * (50 / n) ** (1 / 3))
    assert de.voom(counts[:, :40] + 1, DESIGN, span="adaptive").span == 1.0


def test_the_trend_is_that_of_the_variance(counts):
    """Weights are inverse variances: of Poisson counts, log2(e)^2 / mean."""
    rng = np.random.default_rng(0)
    mean = np.exp(rng.uniform(np.log(20), np.log(2000), 3000))
    result = de.voom(rng.poisson(mean, (10, 3000)), DESIGN)
    variance = np.log2(np.e) ** 2 / mean
    np.testing.assert_allclose(np.median(result.weights * variance), 1.0, rtol=0.1)


def test_genes_without_counts_are_not_in_the_trend(counts):
    counts[:, :50] = 0
    result, without = de.voom(counts, DESIGN), de.voom(counts[:, 50:], DESIGN)
    assert np.isnan(result.line[:50]).all() and np.isnan(result.sqrt_sd[:50]).all()
    np.testing.assert_allclose(result.weights[:, 50:], without.weights)
    assert np.isfinite(result.weights).all()


def test_errors_of_voom(counts):
    with pytest.raises(ValueError, match="at least two genes with counts, but 1 has any"):
        de.voom(counts[:, [4]] + 1, DESIGN)
    with pytest.raises(ValueError, match="no residual degrees of freedom"):
        de.voom(counts[:2], np.eye(2))
    with pytest.raises(ValueError, match="`span` must be"):
        de.voom(counts, DESIGN, span=0.0)
    with pytest.raises(ValueError, match="10 samples x coefficients"):
        de.voom(counts, DESIGN[:4])
