from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from scpi.datasets import xor
from scpi.de import rank_genes
from scpi.metrics import precision_at_k
from scpi.tl import rank_genes_gradients


def expected_counts(adata):
    logits = np.log(adata.var["base_mean"].to_numpy())
    logits = logits + adata.obsm["programs"].to_numpy() @ adata.varm["programs"].to_numpy().T
    return adata.obs["depth"].to_numpy()[:, None] * special.softmax(logits, axis=1)


@pytest.fixture(scope="module")
def cells():
    return xor(2000, rng=1)


def test_the_groups_are_the_exclusive_or_of_two_modules(cells):
    a, b = (cells.obsm["programs"][name].to_numpy() for name in "AB")
    assert set(a) == set(b) == {-1.0, 1.0}
    np.testing.assert_array_equal(cells.obs["group"] == "different", a * b < 0)


def test_modules_are_independent_coins(cells):
    state = cells.obsm["programs"].to_numpy()
    assert np.abs(state.mean(axis=0)).max() < 4 / np.sqrt(2000)
    assert np.abs(np.corrcoef(state.T) - np.eye(8)).max() < 4 / np.sqrt(2000)


def test_the_drivers_are_the_genes_of_these_modules(cells):
    weights = cells.varm["programs"]
    assert list(weights.columns) == ["A", "B", *(f"Decoy{i}" for i in range(1, 7))]
    np.testing.assert_array_equal(cells.var["is_driver"], (weights[["A", "B"]] != 0).any(axis=1))
    assert cells.var["is_driver"].sum() == 20
    values = weights.to_numpy()
    assert ((values != 0).sum(axis=1) <= 1).all()
    np.testing.assert_array_equal((values > 0).sum(axis=0), 5)
    np.testing.assert_array_equal((values < 0).sum(axis=0), 5)
    np.testing.assert_allclose(np.abs(values[values != 0]), np.log(4) / 2)


def test_mean_and_variance_of_counts(cells):
    counts, mean = cells.X.toarray().astype(float), expected_counts(cells)
    variance = mean + 0.1 * mean**2
    assert np.abs((counts - mean).sum(axis=0) / np.sqrt(variance.sum(axis=0))).max() < 4.5
    squares = (counts - mean) ** 2 / variance
    assert squares.mean() == pytest.approx(1.0, abs=5 * squares.std() / np.sqrt(squares.size))


def test_no_gene_and_no_total_differs_between_the_groups(cells):
    """Over the four pairs of states, a gene has the same two means in both groups, and its total is the same."""
    logits, weights = np.log(cells.var["base_mean"].to_numpy()), cells.varm["programs"].to_numpy()
    state = np.ones((4, 8))
    state[:, :2] = [[1, 1], [-1, -1], [1, -1], [-1, 1]]
    unscaled = np.exp(logits + state @ weights.T)
    np.testing.assert_allclose(unscaled.sum(axis=1), unscaled[0].sum(), rtol=1e-12)
    np.testing.assert_allclose(np.sort(unscaled[:2], axis=0), np.sort(unscaled[2:], axis=0), rtol=1e-12)
    # and they are fourfold apart
    of_a = weights[:, 0]
    np.testing.assert_allclose((unscaled[2] / unscaled[3])[of_a != 0], np.exp(2 * of_a)[of_a != 0], rtol=1e-12)


def test_the_rank_sum_test_finds_nothing():
    """P-values of drivers are uniform, one gene of each module and seed."""
    pvals = []
    for seed in range(60):
        adata = xor(300, 40, n_decoys=0, rng=seed)
        different = (adata.obs["group"] == "different").to_numpy()
        first = np.abs(adata.varm["programs"].to_numpy()).argmax(axis=0)
        x = adata.X[:, first].toarray()
        pvals.extend(stats.mannwhitneyu(x[different], x[~different]).pvalue)
    assert stats.kstest(pvals, stats.uniform.cdf).pvalue > 0.01


def test_linear_classifiers_are_at_chance_and_the_product_of_the_modules_is_not(cells):
    x = np.log1p(cells.X.toarray() / np.asarray(cells.X.sum(axis=1)).reshape(-1, 1) * 2000)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    linear = LogisticRegression(C=0.01, max_iter=200)
    assert cross_val_score(linear, x, cells.obs["group"], cv=4).mean() == pytest.approx(0.5, abs=0.05)
    a, b = (x @ np.sign(cells.varm["programs"][name].to_numpy()) for name in "AB")
    product = (a - a.mean()) * (b - b.mean())
    assert ((product < 0) == (cells.obs["group"] == "different")).mean() > 0.97


def test_a_network_finds_the_drivers_and_a_test_does_not():
    adata = xor(600, 200, n_decoys=40, rng=5)
    driver = adata.var["is_driver"].to_numpy()
    rank_genes_gradients(adata, "group", method="integrated_gradients", spread=True, test=None)
    found = adata.uns["rank_genes_gradients"]
    for group in ("same", "different"):
        size = pd.Series(found["mean_abs"][group], index=found["names"][group])[adata.var_names].to_numpy()
        assert precision_at_k(size, driver) >= 0.9
    rank_genes(adata, "group", method="t-test")
    assert adata.var["is_driver"][adata.uns["rank_genes_groups"]["names"]["same"][:20]].mean() < 0.4


def test_decoys_vary_as_drivers_do(cells):
    """Variance over the mean, in excess of the counts' own, does not tell decoys from drivers."""
    mean = expected_counts(cells) / cells.obs["depth"].to_numpy()[:, None]
    spread = mean.var(axis=0) / mean.mean(axis=0) ** 2
    driver = cells.var["is_driver"].to_numpy()
    decoy = (cells.varm["programs"].to_numpy() != 0).any(axis=1) & ~driver
    assert decoy.sum() == 60
    np.testing.assert_allclose(spread[driver], 0.36, atol=0.05)  # of factors 2 and 1/2, equally frequent
    np.testing.assert_allclose(spread[decoy], 0.36, atol=0.05)
    assert np.allclose(spread[~driver & ~decoy], 0.0)


def test_the_same_seed_gives_the_same():
    np.testing.assert_array_equal(xor(50, rng=2).X.toarray(), xor(50, rng=2).X.toarray())
    assert (xor(50, rng=2).X != xor(50, rng=3).X).nnz > 0


@pytest.mark.parametrize("format", ["h5ad", "zarr"])
def test_round_trip(format, tmp_path):
    adata = xor(20, 60, n_decoys=20, rng=4)
    path = tmp_path / f"x.{format}"
    getattr(adata, f"write_{format}")(path)
    read = getattr(ad, f"read_{format}")(path)
    np.testing.assert_array_equal(read.X.toarray(), adata.X.toarray())
    np.testing.assert_array_equal(read.obsm["programs"], adata.obsm["programs"])
    np.testing.assert_array_equal(read.varm["programs"], adata.varm["programs"])
    assert read.var["is_driver"].dtype == bool
    assert read.uns["truth"]["params"]["fold"] == 4.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_cells": 0}, "`n_cells` must be at least 1, but is 0"),
        ({"n_drivers": 18}, "must be a multiple of 4, but is 18"),
        ({"n_decoys": 15}, "a multiple of 10, but is 15"),
        ({"fold": 1.0}, "`fold` must be above 1"),
        ({"depth": 0.0}, "`depth` must be above 0"),
        ({"dispersion": -0.1}, "`dispersion` must be at least 0"),
        ({"n_genes": 70}, "The modules need 80 genes, but `n_genes` is 70"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        xor(**arguments)
