"""Also of scpi.model.conditions._means, _regression, _neighbours and _trees, on closed forms."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge

from scpi.model.conditions._means import ContextMean, PerturbationMean, ShrunkenMean
from scpi.model.conditions._methods import METHODS, describe_methods, make_methods
from scpi.model.conditions._neighbours import Neighbours
from scpi.model.conditions._regression import Ridge, SVDRidge, fit_ridge
from scpi.model.conditions._rows import Rows
from scpi.model.conditions._trees import Boosted, Forest, boost


def rows_of(context, perturbation, features=None):
    features = np.zeros((len(context), 0)) if features is None else features
    return Rows(np.array(context), np.array(perturbation), features)


def screen(rng, *, n=30, n_contexts=4, n_genes=40, noise=0.1):
    """Effects of rank 3 of every perturbation in every context."""
    activity, weights = rng.normal(size=(n, 3)), rng.normal(size=(3, n_genes))
    scale = rng.uniform(0.5, 1.5, size=(n_contexts, 3))
    rows = rows_of(np.repeat(np.arange(n_contexts), n), np.tile(np.arange(n), n_contexts))
    values = np.einsum("rk,kg->rg", activity[rows.perturbation] * scale[rows.context], weights)
    return rows, values + noise * rng.normal(size=values.shape)


def take(rows, mask):
    return Rows(*(part[mask] for part in rows))


MEASURED = rows_of([0, 0, 1], [0, 1, 0])
TABLE = np.array([[1.0, 2.0], [3.0, 0.0], [5.0, 4.0]])
WANTED = rows_of([1, 0, -1, 1], [1, -1, 0, -1])
EXPECTED = {
    "zeros": [[0, 0]] * 4,
    "mean": [[3, 2]] * 4,
    "context_mean": [[5, 4], [2, 1], [3, 2], [5, 4]],
    "perturbation_mean": [[3, 0], [3, 2], [3, 3], [3, 2]],
    "half_perturbation_mean": [[1.5, 0], [1.5, 1], [1.5, 1.5], [1.5, 1]],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_means(name):
    (method,) = make_methods([name], {})
    predicted = method.fit(MEASURED, TABLE, np.random.default_rng(0))(WANTED)
    np.testing.assert_allclose(predicted, EXPECTED[name])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_predicts_what_is_known_and_what_is_not(name):
    if name == "xgboost":
        pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    rows, values = screen(rng)
    options = {"n_trees": 5} if name in ("boosted", "forest", "xgboost") else {}
    (method,) = make_methods([name], options)
    predict = method.fit(rows, values, np.random.default_rng(1))
    wanted = rows_of([0, -1, 2, -1], [3, 3, -1, -1])
    predicted = predict(wanted)
    assert predicted.shape == (4, 40)
    assert np.isfinite(predicted).all()
    np.testing.assert_allclose(method.fit(rows, values, np.random.default_rng(1))(wanted), predicted)


def test_shrunken_means_find_the_factors():
    # Rows are half of the mean of the others: the overall mean is worth what the rows have in common
    rng = np.random.default_rng(0)
    n, genes = 400, 200
    effects = rng.normal(size=(n // 4, genes))
    rows = rows_of(np.tile(np.arange(4), n // 4), np.repeat(np.arange(n // 4), 4))
    values = effects[rows.perturbation] + rng.normal(size=(n, genes))
    predicted = ShrunkenMean(weighted=False).fit(rows, values, rng)(take(rows, np.arange(n) < 4))
    # The best factor of a mean of three others, with as much signal as noise, is 1 / (1 + 1/3)
    plain = PerturbationMean().fit(rows, values, rng)(take(rows, np.arange(n) < 4))
    np.testing.assert_allclose((predicted * plain).sum() / (plain**2).sum(), 0.75, atol=0.04)


def test_a_strong_row_does_not_rule_a_weighted_mean():
    rng = np.random.default_rng(0)
    rows = rows_of(np.arange(6), np.zeros(6, dtype=np.int64))
    values = np.ones((6, 50)) + 0.1 * rng.normal(size=(6, 50))
    values[0] = 30.0 * rng.normal(size=50)
    wanted = rows_of([-1], [0])
    weighted, plain = (ShrunkenMean(weighted=w).fit(rows, values, rng)(wanted) for w in (True, False))
    assert np.abs(weighted - 1.0).mean() < 0.5 * np.abs(plain - 1.0).mean()


def test_ridge_is_that_of_sklearn_and_its_errors_are_those_of_refits():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(25, 6)), rng.normal(size=(25, 3))
    fitted = fit_ridge(x, y, 2.5)
    np.testing.assert_allclose(fitted(x), SklearnRidge(alpha=2.5).fit(x, y).predict(x))
    # The centre of the rows that are left counts as fixed
    refitted = [
        y[i] - SklearnRidge(alpha=2.5).fit(np.delete(x, i, 0), np.delete(y, i, 0)).predict(x[i : i + 1])[0]
        for i in range(25)
    ]
    np.testing.assert_allclose(fitted.left_out, refitted, rtol=1e-8)


def test_the_penalty_follows_the_noise():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 20))
    clean = x @ rng.normal(size=(20, 5))
    noisy = clean + 30.0 * rng.normal(size=clean.shape)
    np.testing.assert_allclose(fit_ridge(x, clean, None)(x), clean, atol=0.1)
    sizes = [np.linalg.norm(fit_ridge(x, noisy, penalty).coefficients) for penalty in (None, 1e-8)]
    assert sizes[0] < 0.5 * sizes[1]


@pytest.mark.parametrize(
    ("method", "simple", "bar"),
    [(Ridge(), PerturbationMean(), 0.35), (Boosted(n_trees=100, learning_rate=0.1), ContextMean(), 0.3)],
)
def test_left_out_conditions_are_read_from_the_other_contexts(method, simple, bar):
    rng = np.random.default_rng(0)
    rows, values = screen(rng, n=60)
    out = (rows.context == 0) & (rows.perturbation < 20)
    predicted = method.fit(take(rows, ~out), values[~out], rng)(take(rows, out))
    mean = simple.fit(take(rows, ~out), values[~out], rng)(take(rows, out))
    error, of_mean = (((found - values[out]) ** 2).mean() for found in (predicted, mean))
    assert error < bar * of_mean


@pytest.mark.parametrize("method", [SVDRidge(), Ridge()])
def test_features_carry_over_to_perturbations_that_were_not_measured(method):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 4))
    rows = rows_of(np.zeros(80, dtype=np.int64), np.arange(80), features)
    values = features @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(80, 30))
    train = np.arange(80) < 60
    wanted = take(rows, ~train)._replace(perturbation=np.full(20, -1))
    predicted = method.fit(take(rows, train), values[train], rng)(wanted)
    assert ((predicted - values[~train]) ** 2).mean() < 0.2 * values.var()


def test_neighbours_are_those_of_the_other_contexts():
    # Perturbations 0 and 1 are alike in context 1, where 2 is different; 0 is wanted in context 0
    rows = rows_of([1, 1, 1, 0, 0], [0, 1, 2, 1, 2])
    values = np.array([[1.0, 0.0], [1.0, 0.1], [-9.0, 5.0], [4.0, 4.0], [-7.0, 0.0]])
    predict = Neighbours(n_neighbours=1).fit(rows, values, np.random.default_rng(0))
    np.testing.assert_allclose(predict(rows_of([0], [0])), [[4.0, 4.0]])
    # Nothing is known of a new perturbation: the mean of the context
    np.testing.assert_allclose(predict(rows_of([0], [-1])), [[-1.5, 2.0]])


def test_neighbours_of_a_new_perturbation_are_those_of_its_features():
    rows = rows_of([0, 0], [0, 1], np.array([[0.0], [1.0]]))
    values = np.array([[1.0], [2.0]])
    predict = Neighbours(n_neighbours=1).fit(rows, values, np.random.default_rng(0))
    np.testing.assert_allclose(predict(rows_of([0], [-1], np.array([[0.9]]))), [[2.0]])


def test_one_tree_of_full_rate_gives_the_means_of_its_leaves():
    x, y = np.array([[0.0], [0.0], [1.0]]), np.array([[1.0, 5.0], [3.0, 5.0], [8.0, 0.0]])
    options = {"max_depth": 1, "max_features": 1.0, "rng": np.random.default_rng(0)}
    predict = boost(x, y, n_trees=1, learning_rate=1.0, **options)
    np.testing.assert_allclose(predict(np.array([[1.0], [0.0]])), [[8.0, 0.0], [2.0, 5.0]])
    # With rate 0.5 and two trees, a quarter of the way to the mean of all is left
    half = boost(x, y, n_trees=2, learning_rate=0.5, **options)
    np.testing.assert_allclose(half(np.array([[1.0]])), 0.75 * np.array([[8.0, 0.0]]) + 0.25 * y.mean(axis=0))


def test_boosting_without_a_known_perturbation_is_near_the_mean_of_the_context():
    rng = np.random.default_rng(0)
    rows, values = screen(rng, n=40)
    values = values + 3.0 * rows.context[:, None]
    single = (rows.perturbation < 3) & (rows.context > 0)
    rows, values = take(rows, ~single), values[~single]
    predicted = Boosted(n_trees=100, learning_rate=0.1).fit(rows, values, rng)(rows_of([3], [-1]))
    expected = values[rows.context == 3].mean(axis=0)
    assert np.abs(predicted[0] - expected).mean() < 1.0
    assert np.abs(values.mean(axis=0) - expected).mean() > 1.2


def test_a_forest_of_one_gene_gives_a_matrix():
    rows, values = screen(np.random.default_rng(0), n_genes=1)
    predicted = Forest(n_trees=3).fit(rows, values, np.random.default_rng(0))(take(rows, np.arange(2)))
    assert predicted.shape == (2, 1)


def test_options_reach_the_methods_that_have_them():
    forest, ridge = make_methods(["forest", "ridge"], {"n_trees": 7, "penalty": 2.0})
    assert (forest.n_trees, ridge.penalty) == (7, 2.0)
    table = describe_methods()
    assert list(table.index) == list(METHODS)
    assert table.loc["half_perturbation_mean", "options"] == {"fraction": 0.5}
    assert table["predicts"].str.endswith(".").all()


def test_unknown_methods_and_options_are_refused():
    with pytest.raises(ValueError, match="'zeros'.* but is 'lasso'"):
        make_methods(["lasso"], {})
    with pytest.raises(TypeError, match="'n_trees' belong to none of 'mean', 'ridge'"):
        make_methods(["mean", "ridge"], {"n_trees": 3})


def test_the_package_that_xgboost_needs_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    (method,) = make_methods(["xgboost"], {})
    with pytest.raises(ImportError, match="needs the package 'xgboost', which is not installed: pip install xgboost"):
        method.fit(MEASURED, TABLE, np.random.default_rng(0))
