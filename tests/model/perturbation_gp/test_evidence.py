from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from scpi.model.perturbation_gp._evidence import (
    Part,
    _deviance,
    centred_scale,
    learn,
    learn_factors,
    projection,
    softmax,
)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    factors = [rng.normal(size=(12, 4)) for _ in range(2)]
    kernels = [one @ one.T for one in factors]
    return kernels, rng.normal(size=(12, 3)), rng.uniform(0, 1, 12), np.array([0.6, 0.3, 0.1])


def test_the_evidence_is_the_restricted_likelihood_with_the_best_scale(problem):
    kernels, scores, noise, _ = problem
    covariance = 0.7 * (0.4 * kernels[0] + 0.6 * kernels[1]) + np.diag(1 + noise)
    # Contrasts that are free of the mean
    contrasts = np.linalg.qr(np.column_stack([np.ones(12), np.eye(12)[:, :11]]))[0][:, 1:]
    values = []
    for column in scores.T:
        y, c = contrasts.T @ column, contrasts.T @ covariance @ contrasts
        scale = y @ np.linalg.solve(c, y) / 11
        values.append(-multivariate_normal(cov=scale * c, allow_singular=False).logpdf(y))
    found = [_deviance(0.7, np.array([0.4, 0.6]), kernels, scores, noise, weight)[0] for weight in np.eye(3)]
    # Up to a constant that does not depend on the kernels
    np.testing.assert_allclose(np.diff(found), np.diff(values), rtol=1e-8)
    other = 0.2 * kernels[0] + np.diag(1 + noise)
    y, c = contrasts.T @ scores[:, 0], contrasts.T @ other @ contrasts
    scale = y @ np.linalg.solve(c, y) / 11
    expected = -multivariate_normal(cov=scale * c).logpdf(y) - values[0]
    again = _deviance(0.2, np.array([1.0, 0.0]), kernels, scores, noise, np.array([1.0, 0, 0]))[0] - found[0]
    np.testing.assert_allclose(again, expected, rtol=1e-8)


def test_the_slopes_are_derivatives(problem):
    kernels, scores, noise, importance = problem
    weights, step = np.array([0.4, 0.6]), 1e-6

    def value(at):
        return _deviance(1.0, at, kernels, scores, noise, importance)[0]

    slopes = _deviance(1.0, weights, kernels, scores, noise, importance)[1]
    expected = [(value(weights + step * one) - value(weights - step * one)) / (2 * step) for one in np.eye(2)]
    np.testing.assert_allclose(slopes, expected, rtol=1e-5)


def test_weights_go_to_the_kernel_that_explains_the_scores():
    rng = np.random.default_rng(1)
    factors = [rng.normal(size=(150, 5)) for _ in range(3)]
    kernels = [one @ one.T / 5 for one in factors]
    scores = factors[1] @ rng.normal(size=(5, 4)) + 0.5 * rng.normal(size=(150, 4))
    found = learn(kernels, scores, np.zeros(150), np.full(4, 0.25))
    assert found.weights[1] > 0.7
    assert found.strength > 2
    np.testing.assert_allclose(found.weights.sum(), 1)
    nothing = learn(kernels, rng.normal(size=(150, 4)), np.zeros(150), np.full(4, 0.25))
    assert nothing.strength < 0.2
    # Nothing is known: the prior
    np.testing.assert_allclose(nothing.weights, 1 / 3, atol=0.1)


def test_the_projection_takes_the_mean_out():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    covariance = root @ root.T + np.eye(6)
    found = projection(covariance)
    np.testing.assert_allclose(found.sum(0), 0, atol=1e-10)
    # Generalised least squares
    y, inverse = rng.normal(size=6), np.linalg.inv(covariance)
    mean = inverse.sum(0) @ y / inverse.sum()
    np.testing.assert_allclose(found @ y, inverse @ (y - mean), atol=1e-10)


def test_scales():
    np.testing.assert_allclose(centred_scale(np.eye(4)), 1)
    assert centred_scale(np.ones((4, 4))) == 0
    np.testing.assert_allclose(softmax(np.log([1.0, 3.0])), [0.25, 0.75])


def test_factors_of_one_term_are_those_of_weights_and_strength(problem):
    kernels, scores, noise, importance = problem
    found = learn(kernels, scores, noise, importance)
    factors = learn_factors(
        [Part(kernel, source=10 * i) for i, kernel in enumerate(kernels)], scores, noise, importance
    )
    np.testing.assert_allclose(factors, found.strength * found.weights, rtol=1e-10)


def test_products_of_kernels_share_their_weights():
    rng = np.random.default_rng(0)
    n_perturbations, n_contexts = 30, 4
    perturbation, context = (codes.ravel() for codes in np.meshgrid(np.arange(n_perturbations), np.arange(n_contexts)))
    features = [rng.normal(size=(n_perturbations, 4)) / 2 for _ in range(2)]
    sources = [(one @ one.T)[np.ix_(perturbation, perturbation)] for one in features]
    same = np.equal.outer(context, context).astype(float)
    parts = [Part(kernel, 0, i) for i, kernel in enumerate(sources)]
    parts += [Part(kernel * same, 1, i, 0) for i, kernel in enumerate(sources)]
    # Shared between contexts, by the first source alone
    truth = 2.0 * (features[0] @ rng.normal(size=(4, 6)))[perturbation]
    scores = truth + rng.normal(size=truth.shape)
    found = learn_factors(parts, scores, np.zeros(len(scores)), np.full(6, 1 / 6))
    assert found[0] > 10 * found[2:].sum()
    np.testing.assert_allclose(found[0] / found[1], found[2] / found[3])
    assert found[0] > 2 * found[1]
