from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from scpi.model.latent_shift._gene_scores import linear_surrogate

LEAST, MOST = np.array([-1.0, 0.0, -2.0]), np.array([1.0, 3.0, -1.0])
DIRECTION = np.array([0.5, -1.0, 0.2])
WEIGHT = np.random.default_rng(1).normal(size=(3, 4))


def curved(z):
    return np.tanh(z @ WEIGHT) + 2.0


def fit(decode, *, penalty=1.0, n_samples=3000):
    return linear_surrogate(
        decode,
        least=LEAST,
        most=MOST,
        direction=DIRECTION,
        n_samples=n_samples,
        penalty=penalty,
        rng=np.random.default_rng(5),
    )


def test_it_is_the_weighted_ridge_of_scikit_learn():
    rng = np.random.default_rng(5)
    # The same points, which are drawn in chunks.
    train, test = (np.concatenate([rng.uniform(LEAST, MOST, (n, 3)) for n in (2048, 952)]) for _ in range(2))
    weights = [1 / cosine(z, DIRECTION) for z in train]
    ridge = Ridge(alpha=1.0).fit(train, curved(train), sample_weight=weights)
    coefficients, r2 = fit(curved)
    np.testing.assert_allclose(coefficients, ridge.coef_.T, rtol=1e-8)
    np.testing.assert_allclose(r2, r2_score(curved(test), ridge.predict(test), multioutput="raw_values"), rtol=1e-8)
    assert 0.3 < r2.mean() < 0.999


def test_a_linear_decoder_is_found():
    coefficients, r2 = fit(lambda z: z @ WEIGHT - 1.0, penalty=1e-9)
    np.testing.assert_allclose(coefficients, WEIGHT, atol=1e-8)
    np.testing.assert_allclose(r2, 1)


def test_a_gene_that_never_changes_explains_nothing():
    coefficients, r2 = fit(lambda z: np.ones((len(z), 2)), n_samples=10)
    np.testing.assert_allclose(coefficients, 0, atol=1e-12)
    assert r2.tolist() == pytest.approx([0, 0])
