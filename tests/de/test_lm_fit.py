from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi import de

N, G = 30, 17


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    group = pd.get_dummies(pd.Series(np.arange(N) % 6), dtype=float).add_prefix("g")
    batch = pd.get_dummies(pd.Series(rng.choice(["x", "y", "z"], N)), dtype=float).iloc[:, 1:]
    return pd.concat([group, batch, pd.Series(rng.normal(2020.0, 5.0, N), name="year")], axis=1)


@pytest.fixture
def expression():
    return np.random.default_rng(1).normal(5.0, 2.0, size=(N, G))


@pytest.fixture
def weights():
    return np.random.default_rng(2).gamma(2.0, size=(N, G)) + 0.05


def solve(x, y, w):
    """Weighted least squares of one gene, by QR of the weighted matrix."""
    root = np.sqrt(w)
    coefficients = np.linalg.lstsq(x * root[:, None], y * root)[0]
    triangle = np.linalg.qr(x * root[:, None])[1]
    inverse = np.linalg.inv(triangle)
    rss = (w * (y - x @ coefficients) ** 2).sum()
    return coefficients, inverse @ inverse.T, np.sqrt(rss / (len(x) - x.shape[1]))


def designs(frame):
    return {
        "groups": frame,
        "intercept": frame.assign(g0=1.0),
        "numbers": frame[["year"]].assign(one=1.0, square=np.arange(N) ** 2.0),
        "only groups": frame[[f"g{i}" for i in range(6)]],
    }


@pytest.mark.parametrize("kind", ["groups", "intercept", "numbers", "only groups"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("block", [1 << 26, 2_000])
def test_each_gene_is_solved(monkeypatch, frame, expression, weights, kind, weighted, block):
    monkeypatch.setattr("scpi.de._schur._BLOCK_BYTES", block)
    matrix = designs(frame)[kind]
    fit = de.lm_fit(expression, matrix, weights=weights if weighted else None)
    assert fit.names == tuple(matrix.columns)
    assert fit.design.n_groups == (0 if kind == "numbers" else 6)
    x = matrix.to_numpy()
    for gene in range(G):
        coefficients, covariance, sigma = solve(x, expression[:, gene], weights[:, gene] if weighted else np.ones(N))
        stdev = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose(fit.coefficients[:, gene] / stdev, coefficients / stdev, atol=1e-8)
        np.testing.assert_allclose(fit.stdev_unscaled[:, gene], stdev, rtol=1e-8)
        np.testing.assert_allclose(fit.sigma[gene], sigma, rtol=1e-9)
    np.testing.assert_array_equal(fit.df_residual, N - x.shape[1])
    np.testing.assert_allclose(fit.ave_expr, expression.mean(axis=0))
    expected = np.linalg.inv(x.T @ x)
    scale = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(fit.covariance / np.outer(scale, scale), expected / np.outer(scale, scale), atol=1e-6)


def test_a_group_of_one_sample_has_the_variance_of_the_others():
    rng = np.random.default_rng(0)
    values, codes = rng.normal(size=(7, 5)), np.array([0, 0, 0, 1, 1, 1, 2])
    fit = de.lm_fit(values, np.eye(3)[codes], weights=np.ones((7, 5)))
    np.testing.assert_allclose(fit.coefficients[2], values[6])
    np.testing.assert_array_equal(fit.df_residual, 4)
    within = np.square(values[:3] - values[:3].mean(axis=0)).sum(axis=0) + np.square(
        values[3:6] - values[3:6].mean(axis=0)
    ).sum(axis=0)
    np.testing.assert_allclose(fit.sigma, np.sqrt(within / 4))


def test_no_residual_degrees_of_freedom():
    with pytest.raises(ValueError, match="no residual degrees of freedom"):
        de.lm_fit(np.ones((3, 2)), np.eye(3))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_expression_has_to_be_finite(frame, expression, value):
    expression[3, 4] = value
    with pytest.raises(ValueError, match="`expression` must be .* finite"):
        de.lm_fit(expression, frame)


@pytest.mark.parametrize("bad", [np.ones((N, G - 1)), np.zeros((N, G)), np.full((N, G), np.nan)])
def test_weights_have_to_be_positive(frame, expression, bad):
    with pytest.raises(ValueError, match="`weights` must be"):
        de.lm_fit(expression, frame, weights=bad)


def test_expression_is_dense(frame, expression):
    with pytest.raises(ValueError, match="must be dense"):
        de.lm_fit(sparse.csr_matrix(expression), frame)


def test_ten_thousand_groups():
    rng = np.random.default_rng(0)
    from scpi.de._design import group_design

    codes = np.r_[np.arange(10_000), np.arange(10_000)]
    batch = rng.integers(0, 2, 20_000).astype(float)
    design = group_design(codes, [f"g{i}" for i in range(10_000)], columns=batch[:, None], names=["batch"])
    values = rng.normal(size=(20_000, 3)) + 0.5 * batch[:, None]
    fit = de.lm_fit(values, design, weights=np.ones((20_000, 3)))
    pair = values[:10_000] - values[10_000:]
    sign = batch[:10_000] - batch[10_000:]
    np.testing.assert_allclose(fit.coefficients[-1], (sign @ pair) / (sign @ sign))
