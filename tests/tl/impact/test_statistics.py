from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scpi.tl._impact._bins import expression_bins
from scpi.tl._impact._median import MedianImpact
from scpi.tl._impact._statistics import as_zscore, double_centred, gsea, normal_scores, ulm


def random_case(n_genes=120, n_units=3, sizes=(8, 20, 40)):
    rng = np.random.default_rng(0)
    columns = [np.isin(np.arange(n_genes), rng.choice(n_genes, size, replace=False)) for size in sizes]
    return rng.normal(size=(n_genes, n_units)), sparse.csr_matrix(np.stack(columns, axis=1))


def test_ranks_become_normal_quantiles():
    scores = normal_scores(np.array([[5.0, 1.0], [-1.0, 1.0], [100.0, 1.0]]))
    np.testing.assert_allclose(scores[:, 0], stats.norm.ppf([0.5, 1 / 6, 5 / 6]), atol=1e-12)
    np.testing.assert_allclose(scores[:, 1], 0, atol=1e-12)


def test_ulm_is_the_regression_on_membership():
    scores, membership = random_case()
    t, pval = ulm(scores, membership)
    for unit in range(3):
        for s in range(3):
            fit = stats.linregress(membership[:, s].toarray().ravel().astype(float), scores[:, unit])
            assert t[unit, s] == pytest.approx(fit.slope / fit.stderr)
            assert pval[unit, s] == pytest.approx(fit.pvalue)
    t, pval = ulm(np.ones((120, 1)), membership)
    assert t.tolist() == [[0, 0, 0]]
    assert pval.tolist() == [[1, 1, 1]]


@pytest.mark.smoke("gseapy")
def test_gsea_is_that_of_gseapy():
    gseapy = pytest.importorskip("gseapy")
    import pandas as pd

    scores, membership = random_case()
    scores[membership[:, 1].toarray().ravel(), 2] += 1.5
    score, pval = gsea(scores, membership, n_permutations=100, seed=3, threads=1)
    names = np.array([f"g{i}" for i in range(120)])
    sets = {f"s{j}": names[membership[:, j].toarray().ravel()].tolist() for j in range(3)}
    expected = gseapy.prerank(
        rnk=pd.Series(scores[:, 2], index=names).sort_values(ascending=False),
        gene_sets=sets,
        min_size=1,
        permutation_num=100,
        threads=1,
        seed=3,
        outdir=None,
        no_plot=True,
    ).res2d.set_index("Term")
    for j in range(3):
        assert score[2, j] == pytest.approx(expected.loc[f"s{j}", "NES"], rel=0.05)
    assert score[2].argmax() == 1
    assert pval[2, 1] == pytest.approx(1 / 101)
    assert gsea(np.ones((120, 1)), membership, n_permutations=10, seed=0, threads=1)[1].tolist() == [[1, 1, 1]]


def test_zscores_of_pvalues():
    np.testing.assert_allclose(
        as_zscore(np.array([2.0, -0.1]), np.array([0.05, 0.01])), [1.959964, -2.575829], rtol=1e-6
    )


def test_double_centring_takes_rows_and_columns_out():
    table = np.random.default_rng(0).normal(size=(4, 5))
    additive = np.arange(4.0)[:, None] + np.arange(5.0) * 3
    found = double_centred(table + additive)
    np.testing.assert_allclose(found, double_centred(table))
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-12)


def test_the_median_of_the_paper_by_hand():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 10, 60)).astype(np.float32)
    membership = random_case(60)[1]
    bins = expression_bins(rng.normal(size=60), 3)
    found = MedianImpact(2, membership, bins, n_permutations=200, rng=np.random.default_rng(1))
    found.add(values[:, :4])
    found.add(values[:, 4:])
    impact, null = found.result()
    for unit in range(2):
        for s in range(3):
            members = membership[:, s].toarray().ravel()
            expected = np.median(np.abs(values[unit][:, members]), axis=1).mean()
            assert impact[unit, s] == pytest.approx(expected, rel=1e-6)
    # Random sets of the same genes: none is out of the ordinary
    assert (np.abs(null.zscore(impact)) < 4).all()
    assert (null.variance > 0).all()
