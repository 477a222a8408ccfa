from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse, stats

from scpi.tl._impact._bins import expression_bins, matched_orders
from scpi.tl._impact._null import Null, matched_null, pearson3_pval, permuted_pval, set_means, student_pval


def sets_of(n_genes, sizes, rng):
    columns = [np.isin(np.arange(n_genes), rng.choice(n_genes, size, replace=False)) for size in sizes]
    return sparse.csr_matrix(np.stack(columns, axis=1))


def test_bins_hold_equally_many_genes_of_similar_expression():
    mean = np.random.default_rng(0).permutation(100.0 * np.arange(200))
    bins = expression_bins(mean, 5)
    assert np.bincount(bins).tolist() == [40] * 5
    assert bins[mean == 0] == 0
    assert all(mean[bins == b].max() < mean[bins == b + 1].min() for b in range(4))
    # 20 genes in each at least
    assert expression_bins(mean, 25).max() == 9
    assert expression_bins(mean[:7], 25).tolist() == [0] * 7


def test_orders_move_genes_within_their_bin_only():
    bins = expression_bins(np.random.default_rng(0).normal(size=90), 4)
    orders = matched_orders(bins, 2000, np.random.default_rng(1))
    assert (bins[orders] == bins).all()
    assert (np.sort(orders, axis=1) == np.arange(90)).all()
    # Every gene of the bin is as likely in the place of the first
    _, counts = np.unique(orders[:, 0], return_counts=True)
    assert len(counts) == (bins == bins[0]).sum()
    assert stats.chisquare(counts).pvalue > 0.01


def test_moments_are_those_of_all_matched_sets():
    """Every set of 4 of 7 genes of one bin and 1 of 4 of the other, one by one."""
    rng = np.random.default_rng(0)
    scores, bins = rng.gamma(0.5, size=(11, 2)), np.repeat([0, 1], [7, 4])
    membership = sparse.csr_matrix(np.array([[1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0]], dtype=bool).T)
    every = [(*four, 7 + one) for four in itertools.combinations(range(7), 4) for one in range(4)]
    means = np.array([scores[list(genes)].mean(axis=0) for genes in every])
    null = matched_null(scores, membership, bins)
    np.testing.assert_allclose(null.mean[:, 0], means.mean(axis=0))
    np.testing.assert_allclose(null.variance[:, 0], means.var(axis=0))
    np.testing.assert_allclose(null.skewness[:, 0], stats.skew(means, axis=0))
    np.testing.assert_allclose(null.kurtosis[:, 0], stats.kurtosis(means, axis=0))
    np.testing.assert_allclose(set_means(scores, membership)[:, 0], means[0])


def test_a_set_of_a_whole_bin_or_of_equal_genes_has_no_null():
    bins = np.zeros(6, dtype=np.intp)
    scores = np.stack([np.arange(6.0), np.full(6, 0.3)], axis=1)
    membership = sparse.csr_matrix(np.array([[1] * 6, [1, 1, 1, 0, 0, 0]], dtype=bool).T)
    null, impact = matched_null(scores, membership, bins), set_means(scores, membership)
    assert null.zscore(impact)[:, 0].tolist() == [0, 0]
    assert null.pval(impact)[1].tolist() == [1, 1]
    assert null.pval(impact)[0, 1] < 1


@pytest.mark.parametrize("skewness", [-1.5, -0.4, 0.0, 0.4, 1.5])
def test_tails_are_those_of_pearsons_type_iii(skewness):
    z = np.linspace(-1.0 / max(abs(skewness), 0.2), 1.0 / max(abs(skewness), 0.2), 9)
    expected = 2 * np.minimum(stats.pearson3.cdf(z, skewness), stats.pearson3.sf(z, skewness))
    np.testing.assert_allclose(pearson3_pval(z, np.full(9, skewness)), np.minimum(expected, 1), rtol=1e-9)


def test_no_value_is_impossible():
    z = np.linspace(0, 12, 200)
    light = pearson3_pval(-z, np.full(200, 1.0))
    assert (np.diff(light) <= 1e-12).all() or (np.diff(light[z > 1]) <= 0).all()
    assert (light > 0).all()
    # Lighter than the normal tail, as the long tail is on the other side
    assert (light[z > 1.5] < 2 * stats.norm.sf(z[z > 1.5])).all()


def test_kurtosis_gives_the_tails_of_student():
    # Student's t of 10 degrees of freedom has an excess kurtosis of 6 / (10 - 4)
    z = np.array([0.5, 2.0, 5.0])
    expected = 2 * stats.t.sf(z * np.sqrt(10 / 8), 10)
    np.testing.assert_allclose(student_pval(z, np.ones(3)), expected)
    assert student_pval(z, np.array([0.0, -1.0, 0.0])).tolist() == [0, 0, 0]
    flat = Null(np.zeros((1, 3)), np.ones((1, 3)), np.zeros((1, 3)), np.ones((1, 3)))
    np.testing.assert_allclose(flat.pval(z[None])[0], np.maximum(expected, 2 * stats.norm.sf(z)))


def test_pvalues_agree_with_many_permutations():
    """Tails of saliencies as skewed as an exponential and as heavy as Student's t with three degrees of freedom."""
    rng = np.random.default_rng(0)
    n_genes = 600
    scores = np.stack([rng.normal(size=n_genes), rng.gamma(1, size=n_genes), rng.standard_t(3, n_genes)], axis=1)
    bins = expression_bins(rng.gamma(1, size=n_genes), 25)
    membership = sets_of(n_genes, [5, 15, 50], rng)
    null = matched_null(scores, membership, bins)
    orders = matched_orders(bins, 4_000, rng)
    drawn = np.stack([set_means(scores[order], membership) for order in orders])
    pval = np.stack([null.pval(one) for one in drawn])
    for level, slack in ((0.05, 1.25), (0.01, 1.35), (0.001, 1.6)):
        share = (pval <= level).mean(axis=0)
        assert share.max() < slack * level + 3 * np.sqrt(level / 4_000)
    # and not idle: near their level where nothing is heavy
    assert abs((pval[:, 0] <= 0.01).mean() - 0.01) < 0.004


def test_permuted_pvalues_are_those_of_the_moments():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(200, 2))
    membership = sets_of(200, [10, 30], rng)
    scores[membership[:, 0].toarray().ravel(), 0] += 0.6
    bins = expression_bins(rng.normal(size=200), 5)
    exact = matched_null(scores, membership, bins).pval(set_means(scores, membership))
    found = permuted_pval(scores, membership, bins, n_permutations=2000, rng=rng)
    np.testing.assert_allclose(found, exact, atol=0.04)
    assert found.min() >= 2 / 2001
    blank = permuted_pval(np.ones((200, 1)), membership, bins, n_permutations=10, rng=rng)
    assert blank.tolist() == [[1, 1]]
