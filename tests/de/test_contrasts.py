from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi import de

N, G = 24, 9
MATRIX = np.array([[-1.0, 0.0], [1.0, 0.5], [0.0, 0.5], [0.0, 0.0], [0.0, 2.0]])


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    group = pd.get_dummies(pd.Series(rng.permutation(np.arange(N) % 3)), dtype=float).add_prefix("g")
    batch = pd.Series((rng.random(N) < 0.4).astype(float), name="batch")
    return pd.concat([group, batch, pd.Series(rng.normal(size=N), name="age")], axis=1)


@pytest.fixture
def weights():
    return np.random.default_rng(2).gamma(1.0, size=(N, G)) + 0.05


@pytest.fixture
def fit(frame, weights):
    return de.lm_fit(np.random.default_rng(1).normal(size=(N, G)), frame, weights=weights)


@pytest.mark.parametrize("block", [1 << 26, 1_000])
def test_the_exact_standard_error(monkeypatch, frame, weights, fit, block):
    monkeypatch.setattr("scpi.de._schur._BLOCK_BYTES", block)
    result = de.contrasts(fit, MATRIX, standard_error="exact")
    x = frame.to_numpy()
    for gene in range(G):
        inverse = np.linalg.inv(x.T @ (x * weights[:, [gene]]))
        np.testing.assert_allclose(result.stdev_unscaled[:, gene], np.sqrt(np.diag(MATRIX.T @ inverse @ MATRIX)))
    np.testing.assert_allclose(result.coefficients, MATRIX.T @ fit.coefficients)


def test_the_standard_error_of_limma(frame, fit):
    result = de.contrasts(fit, MATRIX)
    x = frame.to_numpy()
    covariance = np.linalg.inv(x.T @ x)
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    for gene in range(G):
        u = MATRIX * fit.stdev_unscaled[:, [gene]]
        np.testing.assert_allclose(result.stdev_unscaled[:, gene], np.sqrt(np.diag(u.T @ correlation @ u)))
    exact = de.contrasts(fit, MATRIX, standard_error="exact").stdev_unscaled
    assert 0.05 < np.abs(result.stdev_unscaled / exact - 1.0).max() < 0.5
    np.testing.assert_allclose(result.covariance, MATRIX.T @ covariance @ MATRIX, atol=1e-12)


def test_they_agree_without_weights(frame):
    fit = de.lm_fit(np.random.default_rng(1).normal(size=(N, G)), frame)
    limma, exact = (de.contrasts(fit, MATRIX, standard_error=name).stdev_unscaled for name in ("limma", "exact"))
    np.testing.assert_allclose(limma, exact)


def test_names(fit):
    named = pd.DataFrame({"g1 - g0": [1.0, -1.0]}, index=["g1", "g0"])
    assert de.contrasts(fit, named).names == ("g1 - g0",)
    np.testing.assert_allclose(de.contrasts(fit, named).coefficients[0], fit.coefficients[1] - fit.coefficients[0])
    compressed = sparse.csc_array(MATRIX)
    np.testing.assert_allclose(de.contrasts(fit, compressed).coefficients, de.contrasts(fit, MATRIX).coefficients)
    assert de.contrasts(fit, MATRIX, names=["a", "b"]).names == ("a", "b")


def test_errors(fit):
    with pytest.raises(ValueError, match="5 coefficients x contrasts"):
        de.contrasts(fit, np.ones((4, 1)))
    with pytest.raises(ValueError, match="'g9', but the coefficients are 'g0'"):
        de.contrasts(fit, pd.DataFrame({"a": [1.0]}, index=["g9"]))
    with pytest.raises(ValueError, match="coefficient that is not zero"):
        de.contrasts(fit, np.zeros((5, 1)))
    with pytest.raises(ValueError, match="finite"):
        de.contrasts(fit, np.full((5, 1), np.nan))
    with pytest.raises(ValueError, match="`names` has 1"):
        de.contrasts(fit, MATRIX, names=["a"])
    with pytest.raises(ValueError, match="'limma', 'exact'"):
        de.contrasts(fit, MATRIX, standard_error="other")
    with pytest.raises(ValueError, match="already contains contrasts"):
        de.contrasts(de.contrasts(fit, MATRIX), np.ones((2, 1)))
