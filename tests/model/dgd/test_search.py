from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from scpi.model.dgd._search import Mixture, classification_score, find_mixture, find_number, fit_mixture


def groups(n_groups, n=600, n_dimensions=4, rng=0):
    """Points of groups that are long and lean, and their groups."""
    rng = np.random.default_rng(rng)
    group = rng.integers(n_groups, size=n)
    points = rng.normal(size=(n, n_dimensions)) * np.linspace(1.0, 0.2, n_dimensions)
    turn = stats.ortho_group.rvs(n_dimensions, random_state=1)
    return points @ turn + 6.0 * np.eye(max(n_groups, n_dimensions))[group, :n_dimensions], group


@pytest.mark.parametrize("n_groups", [1, 2, 4])
def test_the_number_of_groups_is_found(n_groups):
    points, group = groups(n_groups)
    assert find_number(points, most=10, seed=0) == n_groups
    means, variances, weights = find_mixture(points.astype(np.float32), None, most=10, seed=0)
    assert means.shape == variances.shape == (n_groups, 4)
    np.testing.assert_allclose(np.sort(weights), np.sort(np.bincount(group) / len(group)), atol=0.02)


def test_a_given_number_is_taken():
    points = groups(3)[0].astype(np.float32)
    assert len(find_mixture(points, 5, most=2, seed=0)[0]) == 5
    assert find_number(points.astype(float), most=2, seed=0) == 2
    # No more than there are points
    assert len(find_mixture(points[:3], 5, most=2, seed=0)[0]) == 3


def test_a_group_that_is_not_gaussian_is_not_divided():
    # The tails of a t-distribution take components of their own, which overlap with those of the core
    rng = np.random.default_rng(0)
    points = rng.standard_t(3, (600, 2)) + 12.0 * rng.integers(2, size=(600, 1))
    assert find_number(points, most=8, seed=0) == 2


def test_the_score_is_that_of_the_most_probable_components():
    joint = np.log(np.array([[0.2, 0.2], [0.3, 1e-12]]))
    np.testing.assert_allclose(classification_score(joint), [np.log(0.4) - np.log(2), np.log(0.3)], atol=1e-9)


def test_the_density_is_that_of_scipy():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(2, 3, 3))
    covariances = root @ root.transpose(0, 2, 1) + np.eye(3)
    mixture = Mixture(np.array([0.3, 0.7]), rng.normal(size=(2, 3)), covariances)
    x = rng.normal(size=(5, 3))
    expected = [
        np.log(weight) + stats.multivariate_normal.logpdf(x, mean, covariance)
        for weight, mean, covariance in zip(*mixture, strict=True)
    ]
    np.testing.assert_allclose(mixture.log_density(x), np.stack(expected, 1))


def test_the_fit_is_that_of_scikit_learn_where_groups_are_large():
    points, group = groups(3, n=3000)
    found, known = fit_mixture(points, 3, seed=0), GaussianMixture(3, random_state=0).fit(points)
    order, known_order = np.argsort(found.means[:, 0]), np.argsort(known.means_[:, 0])
    np.testing.assert_allclose(found.means[order], known.means_[known_order], atol=0.02)
    np.testing.assert_allclose(found.covariances[order], known.covariances_[known_order], atol=0.05)
    assert adjusted_rand_score(found.log_density(points).argmax(1), group) == 1.0
