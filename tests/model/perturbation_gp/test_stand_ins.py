from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpi.model.perturbation_gp._effects import Prediction, TrainingEffects
from scpi.model.perturbation_gp._stand_ins import known_scores, mixture


def test_a_mixture_that_was_made_is_found():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(12, 4))
    scores -= scores.mean(axis=0)
    weights = rng.dirichlet(np.ones(12))
    found = mixture(scores, weights @ scores)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(), 1.0, atol=0.01)
    np.testing.assert_allclose(found @ scores, weights @ scores, atol=0.02)


def test_nothing_wanted_is_the_mean():
    np.testing.assert_array_equal(mixture(np.eye(5)[:, :3], np.zeros(3)), np.full(5, 0.2))


def test_one_of_the_known_is_mostly_itself():
    scores = 3.0 * np.eye(6) - 0.5
    found = mixture(scores, scores[2])
    assert found.argmax() == 2
    assert found[2] > 0.99


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 20), st.integers(1, 6))
def test_weights_are_never_negative_and_far_wishes_keep_the_direction(seed, n, k):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, k))
    scores -= scores.mean(axis=0)
    wanted = 0.3 * scores[0]
    found = mixture(scores, wanted)
    assert found.min() >= 0
    if np.abs(wanted).max() > 1e-3:
        assert found @ scores @ wanted > 0


def test_scores_are_along_the_axes_of_the_prediction():
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(9, 2)))[0].T
    effects = rng.normal(size=(5, 9))
    data = TrainingEffects({}, np.arange(5), effects, np.zeros((5, 9)), np.full(5, -1), np.zeros(9))
    found = known_scores(data, Prediction(effects.mean(axis=0), axes, np.zeros((5, 2))))
    np.testing.assert_allclose(found, (effects - effects.mean(axis=0)) @ axes.T, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_weights_do_not_depend_on_units(scale):
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(8, 3))
    scores -= scores.mean(axis=0)
    expected = mixture(scores, 0.5 * scores[0])
    np.testing.assert_allclose(mixture(scale * scores, scale * 0.5 * scores[0]), expected, atol=1e-6)
