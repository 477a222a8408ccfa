from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi._features._rows import unit_rows
from scpi.model.perturbation_gp._posterior import EffectPosterior

N, N_KNOWN = 7, 12
FACTORS = {"dense": 0.7, "sparse": 1.6}


@pytest.fixture(scope="module")
def sources():
    rng = np.random.default_rng(0)
    dense = unit_rows(rng.normal(size=(N + N_KNOWN, 4)))
    dense[2] = 0.0
    membership = rng.random((N + N_KNOWN, 9)) < 0.3
    membership[[2, N]] = False
    return {"dense": dense, "sparse": unit_rows(sparse.csr_matrix(membership, dtype=float))}


@pytest.fixture(scope="module")
def posterior(sources):
    noise = np.random.default_rng(1).uniform(0.1, 2.0, N_KNOWN)
    names, known = [f"new{i}" for i in range(N)], [f"known{i}" for i in range(N_KNOWN)]
    found = EffectPosterior(names, sources, FACTORS, known=known, noise=noise, size=np.ones(N))
    return found, noise


def joint(sources):
    """Covariance of all perturbations, with a variance of the common mean that is as good as infinite."""
    total = np.zeros((N + N_KNOWN, N + N_KNOWN))
    for name, factor in FACTORS.items():
        values = sources[name].toarray() if sparse.issparse(sources[name]) else sources[name]
        kernel = values.astype(float) @ values.astype(float).T
        np.fill_diagonal(kernel, 1.0)
        total += factor * kernel
    return total + 1e7


def conditioned(covariance, rows, noise):
    """Covariance of a normal distribution after measurements of some rows with noise."""
    gain = np.linalg.solve(covariance[np.ix_(rows, rows)] + np.diag(noise), covariance[rows])
    return covariance - covariance[:, rows] @ gain


def test_variances_are_those_of_the_conditional_distribution(sources, posterior):
    found, noise = posterior
    # The known have an effect of their own as well
    expected = conditioned(joint(sources), np.arange(N, N + N_KNOWN), 1.0 + noise)[:N, :N]
    np.testing.assert_allclose(found.covariance(np.arange(N)), expected, atol=2e-5)
    np.testing.assert_allclose(found.variance, np.diag(expected), atol=2e-5)
    np.testing.assert_allclose(found.variance_of(np.array([4, 2])), np.diag(expected)[[4, 2]], atol=2e-5)
    np.testing.assert_allclose(found.covariance(np.array([3, 1])), expected[:, [3, 1]], atol=2e-5)
    assert found.noise == np.median(noise)


def test_without_features_the_variance_is_that_before_any_measurement(posterior):
    found, _ = posterior
    assert found.variance[2] > sum(FACTORS.values())
    assert found.variance[2] == found.variance.max()
    np.testing.assert_allclose(found.similarity(np.array([2]))[:, 0], np.arange(N) == 2, atol=1e-6)
    assert found.nearest(np.array([2]))[1][0] == 0


def test_the_nearest_is_the_known_one_with_the_largest_correlation(sources, posterior):
    found, _ = posterior
    correlation = (joint(sources) - 1e7)[:N, N:] / sum(FACTORS.values())
    places, similarity = found.nearest(np.arange(N))
    assert places.tolist() == correlation.argmax(axis=1).tolist()
    np.testing.assert_allclose(similarity, correlation.max(axis=1), atol=1e-6)


def test_without_sources_nothing_is_explained():
    found = EffectPosterior(["a"], {}, {}, known=["b", "c"], noise=np.zeros(2), size=np.ones(1))
    # The mean of two perturbations that have a variance of 1
    np.testing.assert_allclose(found.variance, [0.5])
