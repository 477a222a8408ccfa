from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.model.perturbation_gp._effects import Prediction, TrainingEffects, only_mean


@pytest.fixture
def data():
    features = sparse.csr_matrix([[1.0, 0], [0.6, 0.8], [0, 0], [0, 1.0]])
    effects = np.array([[1.0, 2.0, 3.0], [3.0, 0.0, 3.0], [5.0, 1.0, 0.0]])
    return TrainingEffects(
        sources={"a": features, "b": np.eye(4)},
        known=np.array([0, 1, 3]),
        effects=effects,
        errors=np.zeros((3, 3)),
        gene=np.array([0, 2, 1, -1]),
        control=np.zeros(3),
    )


def test_what_is_known_of_perturbations(data):
    assert data.n_perturbations == 4
    assert data.has_features().all()
    assert data._replace(sources={"a": data.sources["a"]}).has_features().tolist() == [True, True, False, True]
    assert not data._replace(sources={}).has_features().any()
    np.testing.assert_allclose(data.kernel(), [[1, 0.3, 0], [0.3, 1, 0.4], [0, 0, 0], [0, 0.4, 1]])


def test_perturbed_genes_change_as_under_the_other_perturbations(data):
    found = data.without_own_genes()
    np.testing.assert_allclose(found.effects, [[4.0, 2.0, 3.0], [3.0, 0.0, 1.5], [5.0, 1.0, 0.0]])
    np.testing.assert_array_equal(data.effects[0, 0], 1.0)
    assert data._replace(gene=np.full(4, -1)).without_own_genes().effects is data.effects


def test_the_mean_is_the_same_for_all(data):
    found = only_mean(data)
    np.testing.assert_allclose(found.effects, np.tile([3.0, 1.0, 2.0], (4, 1)))
    assert found.calibration == 0
    assert found.denoised(data) is data.effects


def test_noise_is_drawn_to_what_is_expected():
    rng = np.random.default_rng(0)
    truth = np.concatenate([rng.normal(size=(20, 400)), np.zeros((20, 400))])
    errors = np.tile(np.linspace(0.1, 2.0, 400), (40, 1))
    measured = truth + errors * rng.normal(size=truth.shape)
    data = TrainingEffects({}, np.arange(40), measured, errors, np.full(40, -1), np.zeros(400))
    prediction = Prediction(np.zeros(400), np.zeros((1, 400)), np.zeros((40, 1)), left_out=np.zeros((40, 1)))
    found = prediction.denoised(data)
    # The posterior mean of a normal distribution with the variance of the truth
    kept = 1 / (1 + np.square(errors[0]))
    np.testing.assert_allclose(found[:20], kept * measured[:20], atol=1.2)
    assert np.square(found - truth).mean() < 0.3 * np.square(measured - truth).mean()
    assert np.square(found[20:]).mean() < 0.05
    exact = data._replace(errors=np.zeros_like(errors))
    assert prediction.denoised(exact) is exact.effects
