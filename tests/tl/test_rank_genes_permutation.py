"""What classifiers lose when genes are shuffled."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import scpi
from scpi._ranking import read_ranking
from scpi._view import View
from scpi.tl._held_out import read_task
from scpi.tl._rank_genes_permutation import _LogLikelihood

N_GENES = 80


def simulate(n_groups):
    return scpi.datasets.splat(
        150 * n_groups,
        n_genes=N_GENES,
        group_prob=(1 / n_groups,) * n_groups,
        de_prob=0.2,
        de_fac_scale=0.8,
        rng=1000,
    )


def rank(adata, **settings):
    scpi.tl.rank_genes_permutation(adata, "group", key_added="p", **settings)
    return read_ranking(adata, "p")


@pytest.fixture(scope="module", params=[2, 3])
def adata(request):
    return simulate(request.param)


def test_planted_genes_come_first_with_the_sign_of_their_change(adata):
    ranking = rank(adata)
    truth = np.asarray(adata.varm["log2fc_rest"]).T
    assert adata.uns["p"]["params"]["accuracy"] > 0.9
    first = np.argsort(-np.abs(ranking.scores), axis=1)[:, :8]
    changes, scores = (np.take_along_axis(values, first, axis=1) for values in (truth, ranking.scores))
    known = np.abs(changes) > 0.3
    assert known.mean() >= 0.75
    assert (np.sign(scores) == np.sign(changes))[known].mean() > 0.9
    assert set(np.sign(scores).ravel()) == {-1.0, 1.0}


def test_two_groups_are_mirrors_of_each_other():
    ranking = rank(simulate(2))
    np.testing.assert_allclose(ranking.scores[0], -ranking.scores[1], atol=1e-7)
    assert np.abs(ranking.scores).max() > 1e-3


def test_the_score_is_the_importance_above_zero_with_a_sign(adata):
    ranking = rank(adata)
    importance = ranking.extra["importance"]
    np.testing.assert_allclose(np.abs(ranking.scores), np.maximum(importance, 0.0), rtol=1e-5)
    assert (importance < 0).any()
    mirrored = ranking.scores != 0
    assert (np.sign(ranking.scores) == np.sign(ranking.logfoldchanges))[mirrored].mean() > 0.9


@pytest.fixture
def converged(monkeypatch):
    """Logistic regression that goes on to its minimum: where it stops by itself differs with rounding."""

    def to_the_end(**settings):
        return LogisticRegression(**settings | {"tol": 1e-10, "max_iter": 10_000})

    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", to_the_end)
    return to_the_end


@pytest.mark.parametrize("reference", ["rest", "Group2"])
def test_all_genes_at_once_are_as_one_at_a_time(adata, reference, converged):
    """The same classifier, asked again for every shuffled gene."""
    x = adata.X.toarray() if sparse.issparse(adata.X) else adata.X
    dense = adata.copy()
    dense.X = np.log1p(np.asarray(x, dtype=np.float64) / 100)
    estimator = make_pipeline(StandardScaler(with_mean=False), converged(C=1e-2))
    at_once = rank(dense, reference=reference, n_repeats=2)
    one_by_one = rank(dense, reference=reference, n_repeats=2, estimator=estimator)
    np.testing.assert_allclose(at_once.extra["importance"], one_by_one.extra["importance"], atol=1e-5)


def test_a_gene_that_is_constant_is_of_no_use():
    adata = simulate(2)[:, :2].copy()
    member = (adata.obs["group"] == "Group1").to_numpy()
    noise = np.random.default_rng(0).normal(0, 0.3, adata.n_obs)
    adata.X = np.stack([np.where(member, 1.0, 2.0) + np.abs(noise), np.zeros(adata.n_obs)], axis=1)
    found = rank(adata, n_repeats=50).extra["importance"]
    assert found[:, 1].tolist() == [0.0, 0.0]
    assert found[0, 0] == pytest.approx(found[1, 0])
    assert found[0, 0] > 0.05


@pytest.mark.parametrize("reference", ["rest", "Group3"])
def test_the_log_likelihood_is_that_of_the_question(reference):
    task = read_task(View.of(simulate(3)), "group", "all", reference)
    codes = np.repeat([0, 1, 2], [10, 20, 30])
    scores = np.random.default_rng(0).normal(size=(60, 3))
    found = _LogLikelihood(task, codes)(scores)
    for group in range(2):
        p = softmax(scores, axis=1)[:, group]
        others = codes != group
        if reference != "rest":
            p, others = expit(scores[:, group] - scores[:, 2]), codes == 2
        expected = np.log(p[codes == group]).mean() / 2 + np.log1p(-p[others]).mean() / 2
        np.testing.assert_allclose(found[group], expected)


def test_scores_far_apart_have_a_finite_log_likelihood():
    task = read_task(View.of(simulate(2)), "group", "all", "rest")
    scores = np.array([[900.0, -900.0], [-900.0, 900.0]])
    np.testing.assert_allclose(_LogLikelihood(task, np.array([0, 1]))(scores), 0.0, atol=1e-12)
    assert np.isfinite(_LogLikelihood(task, np.array([1, 0]))(scores)).all()


def test_any_classifier_with_probabilities_will_do(adata):
    ranking = rank(adata, estimator=RandomForestClassifier(50), n_repeats=3)
    assert adata.uns["p"]["params"]["estimator"] == "RandomForestClassifier"
    truth = np.asarray(adata.varm["log2fc_rest"]).T
    first = np.argsort(-np.abs(ranking.scores), axis=1)[:, :3]
    assert (np.abs(np.take_along_axis(truth, first, axis=1)) > 0.3).mean() >= 0.6


def test_scanpy_reads_it(adata):
    rank(adata)
    table = sc.get.rank_genes_groups_df(adata, "Group2", key="p")
    assert table["names"].nunique() == N_GENES
    assert table["scores"].is_monotonic_decreasing
    assert table["pvals"].isna().all()


def test_the_form_of_the_matrix_makes_no_difference(adata, converged):
    expected = rank(adata, n_repeats=1).scores
    for form in (sparse.csc_matrix(adata.X), sparse.csr_matrix(adata.X), sparse.csr_matrix(adata.X).toarray()):
        other = adata.copy()
        other.X = form
        np.testing.assert_allclose(rank(other, n_repeats=1).scores, expected, atol=1e-5)


def test_the_seed_decides(adata):
    first, again, other = (rank(adata, rng=rng, n_repeats=1).scores for rng in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0


def test_the_estimator_is_left_alone(adata):
    estimator = RandomForestClassifier(2)
    rank(adata[:, :5].copy(), estimator=estimator, n_repeats=1)
    assert not hasattr(estimator, "classes_")
    assert estimator.random_state is None


def test_a_copy_leaves_the_input_alone(adata):
    other = adata.copy()
    other.uns.clear()
    copy = scpi.tl.rank_genes_permutation(other, "group", copy=True)
    assert "rank_genes_permutation" in copy.uns
    assert not other.uns


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_repeats": 0}, ValueError, "`n_repeats` must be positive"),
        ({"test_size": 0.0}, ValueError, "`test_size` must be between 0 and 1"),
        ({"estimator": RidgeClassifier()}, TypeError, "RidgeClassifier has no `predict_proba`"),
        ({"reference": "Group9"}, ValueError, "'rest' or a group.*'Group9'"),
    ],
)
def test_bad_input_is_named(adata, arguments, error, message):
    with pytest.raises(error, match=message):
        scpi.tl.rank_genes_permutation(adata.copy(), "group", **arguments)
