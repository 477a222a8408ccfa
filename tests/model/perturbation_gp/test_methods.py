from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from scpi._features._rows import unit_rows
from scpi.model.perturbation_gp._effects import TrainingEffects
from scpi.model.perturbation_gp._methods import METHODS, gene_ridge, kernel_ridge, linear, nearest


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    features = unit_rows(rng.normal(size=(30, 4))).astype(np.float64)
    effects = features[:24] @ rng.normal(size=(4, 12)) + 0.3 * rng.normal(size=(24, 12)) + 0.5
    gene = np.r_[np.arange(11), np.full(19, -1)]
    gene[25] = 11
    return TrainingEffects({"a": features}, np.arange(24), effects, np.zeros((24, 12)), gene, rng.normal(size=12))


def ridge(data, penalty, rows=None, gene=slice(None)):
    x, y = data.sources["a"][data.known], data.effects[:, gene]
    rows = np.arange(len(x)) if rows is None else rows
    return Ridge(alpha=penalty).fit(x[rows], y[rows])


PENALTIES = np.logspace(-2, 3, 16)


def scale_of(data):
    x = data.sources["a"][data.known]
    return np.trace((x - x.mean(0)) @ (x - x.mean(0)).T) / len(x)


def test_kernel_ridge_is_ridge_regression_with_the_penalty_of_leave_one_out(data):
    errors = []
    for penalty in PENALTIES * scale_of(data):
        error = 0.0
        for point in range(24):
            model = ridge(data, penalty, np.delete(np.arange(24), point))
            error += np.square(model.predict(data.sources["a"][[point]])[0] - data.effects[point]).sum()
        errors.append(error)
    best = PENALTIES[int(np.argmin(errors))] * scale_of(data)
    np.testing.assert_allclose(kernel_ridge(data).effects, ridge(data, best).predict(data.sources["a"]), atol=1e-6)


def test_gene_ridge_has_a_penalty_for_each_gene(data):
    x = data.sources["a"][data.known]
    centred = np.column_stack([np.ones(24), x - x.mean(0)])
    found = gene_ridge(data).effects
    for gene in (0, 5):
        scores = []
        for penalty in PENALTIES * scale_of(data):
            hat = centred @ np.linalg.solve(centred.T @ centred + penalty * np.diag([0, 1, 1, 1, 1]), centred.T)
            residual = data.effects[:, gene] - hat @ data.effects[:, gene]
            scores.append(np.square(residual).sum() / (1 - np.trace(hat) / 24) ** 2)
        best = PENALTIES[int(np.argmin(scores))] * scale_of(data)
        expected = ridge(data, best, gene=gene).predict(data.sources["a"])
        np.testing.assert_allclose(found[:, gene], expected, atol=1e-6)


def test_nearest_is_the_mean_of_three_neighbours(data):
    found = nearest(data).effects
    similar = data.sources["a"] @ data.sources["a"][:24].T
    for place in (25, 3):
        row = similar[place].copy()
        row[np.arange(24) == place] = -9
        chosen = np.argsort(-row)[:3]
        assert (row[chosen] > 0).all()
        np.testing.assert_allclose(found[place], data.effects[chosen].mean(0), atol=1e-6)


def test_neighbours_without_anything_in_common_are_none(data):
    features = np.zeros((30, 2))
    features[[0, 25]] = [1.0, 0.0]
    features[[1, 26]] = [0.0, 1.0]
    found = nearest(data._replace(sources={"a": features})).effects
    np.testing.assert_allclose(found[25], data.effects[0])
    np.testing.assert_allclose(found[27], data.effects.mean(0))


def test_linear_is_the_published_formula(data):
    changes = np.column_stack([np.zeros(12), data.effects.T])
    profiles = data.control[:, None] + changes
    u, s, _ = np.linalg.svd(profiles - profiles.mean(0), full_matrices=False)
    g = (u * s)[:, :10]
    p = np.zeros((10, 25))
    for column, gene in enumerate(data.gene[:24], start=1):
        if gene >= 0:
            p[:, column] = g[gene]
    c = changes.mean(1)
    y = changes - c[:, None]
    w = np.linalg.inv(g.T @ g + 0.1 * np.eye(10)) @ g.T @ y @ p.T @ np.linalg.inv(p @ p.T + 0.1 * np.eye(10))
    found = linear(data).effects
    np.testing.assert_allclose(found[25], g @ w @ g[11] + c, atol=1e-8)
    np.testing.assert_allclose(found[26], data.effects.mean(0), atol=1e-10)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_all_fall_back_to_the_mean(data, name):
    empty = data._replace(sources={"a": np.zeros((30, 3))}, gene=np.full(30, -1))
    for given in (empty, empty._replace(sources={})):
        np.testing.assert_allclose(METHODS[name](given).effects[24:], np.tile(data.effects.mean(0), (6, 1)), atol=1e-8)
