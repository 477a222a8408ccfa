"""Shapley values of classifiers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import shap
from anndata import AnnData
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier

import scpi
from scpi._ranking import read_ranking
from scpi._view import View
from scpi.tl._held_out import read_task
from scpi.tl._rank_genes_shap import _shapley_values, _Sums

pytestmark = pytest.mark.smoke("shap", "sklearn")

N_GENES = 80


def simulate(n_groups, **settings):
    return scpi.datasets.splat(
        150 * n_groups,
        n_genes=N_GENES,
        group_prob=(1 / n_groups,) * n_groups,
        de_prob=0.2,
        de_fac_scale=0.8,
        rng=1000,
        **settings,
    )


@pytest.fixture(scope="module")
def two():
    adata = simulate(2)
    scpi.tl.rank_genes_shap(adata, "group")
    return adata


@pytest.fixture(scope="module")
def three():
    adata = simulate(3)
    scpi.tl.rank_genes_shap(adata, "group")
    return adata


def of(adata, key="rank_genes_shap"):
    return read_ranking(adata, key)


def precision(adata, n_top):
    """Share of the first genes that the truth has against the rest, one row a group."""
    truth = np.abs(np.asarray(adata.varm["log2fc_rest"]).T)
    order = np.argsort(-np.abs(of(adata).scores), axis=1)[:, :n_top]
    return (np.take_along_axis(truth, order, axis=1) > 0.3).mean(axis=1)


@pytest.mark.parametrize("name", ["two", "three"])
def test_planted_genes_come_first_with_the_sign_of_their_change(name, request):
    adata = request.getfixturevalue(name)
    assert adata.uns["rank_genes_shap"]["params"]["accuracy"] > 0.9
    assert (precision(adata, 8) >= 0.75).all()
    ranking, truth = of(adata), np.asarray(adata.varm["log2fc_rest"]).T
    first = np.argsort(-np.abs(ranking.scores), axis=1)[:, :8]
    known = np.abs(np.take_along_axis(truth, first, axis=1)) > 0.3
    same = np.sign(np.take_along_axis(ranking.scores, first, axis=1)) == np.sign(
        np.take_along_axis(truth, first, axis=1)
    )
    assert same[known].mean() > 0.9
    # Genes go either way
    assert set(np.sign(np.take_along_axis(ranking.scores, first, axis=1)).ravel()) == {-1.0, 1.0}


def test_two_groups_are_mirrors_of_each_other(two):
    ranking = of(two)
    np.testing.assert_allclose(ranking.scores[0], -ranking.scores[1], atol=1e-6)
    np.testing.assert_allclose(ranking.extra["importance"][0], ranking.extra["importance"][1], atol=1e-6)
    assert np.abs(ranking.scores).max() > 0.1


def test_the_score_is_the_importance_with_a_sign(three):
    ranking = of(three)
    np.testing.assert_allclose(np.abs(ranking.scores), np.abs(ranking.extra["importance"]), rtol=1e-5)


@pytest.mark.parametrize("n_groups", [2, 3])
def test_shapley_values_sum_to_the_score_of_the_trees(n_groups):
    """For two groups, half of the log odds for the one and against the other."""
    adata = simulate(n_groups)
    task = read_task(View.of(adata), "group", "all", "rest")
    x = np.asarray(task.values.toarray() if sparse.issparse(task.values) else task.values, dtype=np.float32)
    trees = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(x, task.plan.codes)
    cells = np.arange(40)
    values = np.concatenate([found for _, _, found in _shapley_values(trees, task, cells)])
    scores, start = trees.decision_function(x[cells]), shap.TreeExplainer(trees).expected_value
    if n_groups == 2:
        scores, start = np.stack([-scores, scores], axis=1) / 2, np.array([-1, 1]) * np.ravel(start) / 2
    np.testing.assert_allclose(values.sum(axis=1) + start, scores, atol=1e-6)


@pytest.mark.parametrize("reference", ["rest", "Group3"])
def test_the_importance_is_a_difference_of_means(three, reference):
    task = read_task(View.of(three), "group", "all", reference)
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [10, 20, 30])
    x, values = rng.normal(size=(60, N_GENES)).astype(np.float32), rng.normal(size=(60, N_GENES, 3))
    sums = _Sums(task, N_GENES)
    for part in np.split(rng.permutation(60), [7, 40]):
        sums.add(codes[part], x[part], task.margins(values[part]))
    importance, sign = sums.result()
    for group in range(2):
        if reference == "rest":
            others = codes != group
            margin = values[..., group] - np.delete(values, group, axis=2).mean(axis=2)
        else:
            others = codes == 2
            margin = values[..., group] - values[..., 2]
        expected = margin[codes == group].mean(axis=0) - margin[others].mean(axis=0)
        np.testing.assert_allclose(importance[group], expected)
        either = others | (codes == group)
        covariance = [np.cov(margin[either, gene], x[either, gene])[0, 1] for gene in range(N_GENES)]
        np.testing.assert_array_equal(sign[group], np.sign(covariance))


def test_scanpy_reads_it(three):
    table = sc.get.rank_genes_groups_df(three, "Group2", key="rank_genes_shap")
    assert table["names"].nunique() == N_GENES
    assert table["scores"].is_monotonic_decreasing
    assert table["pvals"].isna().all()
    scpi.de.rank_genes(three, "group", method="t-test")
    tested = sc.get.rank_genes_groups_df(three, "Group2").set_index("names")
    np.testing.assert_allclose(
        table.set_index("names")["logfoldchanges"], tested["logfoldchanges"].loc[table["names"]], rtol=1e-5
    )


def test_both_directions_come_first_on_request(two):
    adata = two.copy()
    scpi.tl.rank_genes_shap(adata, "group", rankby_abs=True, key_added="shap", n_trees=20)
    scores = adata.uns["shap"]["scores"]["Group1"]
    assert (np.diff(np.abs(scores)) <= 0).all()
    assert (scores[:10] < 0).any()
    assert (scores[:10] > 0).any()


def test_one_group_can_be_the_reference(three):
    adata = three.copy()
    scpi.tl.rank_genes_shap(adata, "group", reference="Group3", n_trees=40)
    ranking = of(adata)
    assert ranking.groups.tolist() == ["Group1", "Group2"]
    factors = np.log2(np.asarray(adata.varm["de_factor"]).T)
    for row, score in enumerate(ranking.scores):
        first = np.argsort(-np.abs(score))[:5]
        truth = (factors[row] - factors[2])[first]
        assert (np.sign(score[first]) == np.sign(truth)).mean() >= 0.8


def test_some_groups_against_all_others(three):
    adata = three.copy()
    scpi.tl.rank_genes_shap(adata, "group", groups=["Group2"], n_trees=40)
    some, everything = of(adata), of(three)
    assert some.groups.tolist() == ["Group2"]
    assert np.corrcoef(some.scores[0], everything.scores[1])[0, 1] > 0.7


def test_the_seed_decides_and_nothing_else(two):
    found = []
    for rng in (1, 1, 2):
        adata = two.copy()
        np.random.seed(len(found))  # noqa: NPY002
        scpi.tl.rank_genes_shap(adata, "group", n_trees=5, rng=rng)
        found.append(of(adata).scores)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0


def test_sparse_counts_give_what_dense_ones_do(two):
    adata = two.copy()
    adata.X = sparse.csc_matrix(adata.X)
    scpi.tl.rank_genes_shap(adata, "group", n_trees=100)
    np.testing.assert_allclose(of(adata).scores, of(two).scores, atol=1e-5)


def test_few_cells_are_drawn_with_the_same_share_of_each_group(two):
    adata = two.copy()
    scpi.tl.rank_genes_shap(adata, "group", n_trees=5, n_cells=60)
    assert adata.uns["rank_genes_shap"]["params"]["n_cells"] == 60


def test_a_copy_leaves_the_input_alone(two):
    adata = AnnData(two.X, obs=two.obs)
    copy = scpi.tl.rank_genes_shap(adata, "group", n_trees=2, copy=True)
    assert "rank_genes_shap" in copy.uns
    assert not adata.uns


def test_it_can_be_written(two, tmp_path):
    two.write_h5ad(tmp_path / "a.h5ad")
    back = sc.read_h5ad(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(of(back).scores, of(two).scores)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_trees": 0}, "`n_trees` must be positive"),
        ({"test_size": 1.0}, "`test_size` must be between 0 and 1"),
        ({"n_cells": 0}, "`n_cells` must be positive"),
        ({"reference": "Group9"}, "'rest' or a group.*'Group9'"),
        ({"groups": ["Group7"]}, "'Group7' that is no label"),
    ],
)
def test_bad_input_is_named(two, arguments, message):
    with pytest.raises(ValueError, match=message):
        scpi.tl.rank_genes_shap(two.copy(), "group", **arguments)


def test_groups_of_a_few_cells_are_named(two):
    adata = two.copy()
    adata.obs["small"] = pd.Categorical(np.where(np.arange(adata.n_obs) < 3, "few", adata.obs["group"]))
    with pytest.warns(UserWarning, match="fewer than 4 cells.*: 'few'"):
        scpi.tl.rank_genes_shap(adata, "small", n_trees=2)
    adata.obs["one"] = "a"
    with pytest.raises(ValueError, match="nothing to compare"):
        scpi.tl.rank_genes_shap(adata, "one")


def test_missing_labels_are_left_out(two):
    adata = two.copy()
    adata.obs["some"] = adata.obs["group"].astype(object).where(np.arange(adata.n_obs) % 3 > 0, None)
    scpi.tl.rank_genes_shap(adata, "some", n_trees=20)
    assert of(adata).groups.tolist() == ["Group1", "Group2"]


# --- networks


@pytest.fixture(scope="module")
def clustered():
    adata = simulate(3)
    scpi.model.SCDeepCluster.setup_anndata(adata)
    model = scpi.model.SCDeepCluster(adata, n_clusters=3, seed=0)
    model.train(max_epochs=15, max_cluster_epochs=2, accelerator="cpu", enable_progress_bar=False)
    adata.obs["cluster"] = model.predict()
    return adata, model


@pytest.mark.parametrize("reference", ["rest", "2"])
def test_genes_of_a_network(clustered, reference):
    adata, model = clustered
    scpi.tl.rank_genes_shap(adata, "cluster", model=model, reference=reference, key_added="shap")
    ranking = of(adata, "shap")
    assert adata.uns["shap"]["params"]["method"] == "expected_gradients"
    assert ranking.groups.tolist() == [name for name in model.clusters_ if name != reference]
    for row in range(len(ranking.groups)):
        first = np.argsort(-np.abs(ranking.scores[row]))[:10]
        same = np.sign(ranking.scores[row][first]) == np.sign(ranking.logfoldchanges[row][first])
        assert same.mean() >= 0.8


def test_labels_that_a_network_does_not_know_are_named(clustered):
    adata, model = clustered
    with pytest.raises(ValueError, match="no logit of 'Group1', 'Group2', 'Group3', only of '0'"):
        scpi.tl.rank_genes_shap(adata, "group", model=model)
