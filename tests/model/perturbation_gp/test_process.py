from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi._features._rows import unit_rows
from scpi.model.perturbation_gp._effects import TrainingEffects
from scpi.model.perturbation_gp._evidence import projection
from scpi.model.perturbation_gp._process import calibrate, gaussian_process, gram, leave_one_out
from scpi.model.perturbation_gp._response import Response


def simulate(n_known=60, n_new=20, n_genes=150, informative=1.0, seed=0, noise=0.4):
    """Effects that are linear in the first of two sources."""
    rng = np.random.default_rng(seed)
    n = n_known + n_new
    first, second = (unit_rows(rng.normal(size=(n, 6))) for _ in range(2))
    truth = 1.0 + informative * first @ rng.normal(size=(6, 3)) @ rng.normal(size=(3, n_genes))
    truth += noise * rng.normal(size=truth.shape)
    data = TrainingEffects(
        sources={"first": first, "second": sparse.csr_matrix(second)},
        known=np.arange(n_known),
        effects=truth[:n_known],
        errors=np.zeros((n_known, n_genes)),
        gene=np.full(n, -1),
        control=np.zeros(n_genes),
    )
    return data, truth


def correlation(found, truth, mean):
    pairs = zip(found - mean, truth - mean, strict=True)
    return np.mean([np.corrcoef(x, y)[0, 1] for x, y in pairs])


def test_informative_features_predict_what_was_not_measured():
    data, truth = simulate()
    found = gaussian_process(data)
    new = slice(60, None)
    assert correlation(found.effects[new], truth[new], found.mean) > 0.8
    error = np.square(found.effects - truth)[new].sum() / np.square(found.mean - truth)[new].sum()
    assert error < 0.45
    assert found.weights["first"] > 0.8
    assert found.calibration > 0.8
    np.testing.assert_allclose(found.mean, data.effects.mean(0))


@pytest.mark.parametrize("seed", range(5))
def test_features_that_carry_nothing_give_the_mean_back(seed):
    data, truth = simulate(informative=0.0, seed=seed, noise=1.0)
    found = gaussian_process(data)
    error = np.square(found.effects - truth)[60:].sum() / np.square(found.mean - truth)[60:].sum()
    assert error < 1.005
    shuffled = np.random.default_rng(seed).permutation(80)
    data, truth = simulate(seed=seed)
    found = gaussian_process(data._replace(sources={"x": data.sources["first"][shuffled]}))
    error = np.square(found.effects - truth)[60:].sum() / np.square(found.mean - truth)[60:].sum()
    assert error < 1.03


def test_perturbations_without_features_have_the_mean():
    data, _ = simulate()
    for values in data.sources.values():
        values[70] = 0
    found = gaussian_process(data)
    np.testing.assert_array_equal(found.effects[70], found.mean)
    assert found.scores[71].any()


def test_predictions_are_those_of_kriging():
    data, _ = simulate()
    data = data._replace(sources={"first": data.sources["first"]})
    found = gaussian_process(data)
    # In the limit of one kernel: the linear map of the features is the same for all components
    known, new = data.sources["first"][:60].astype(float), data.sources["first"][60:].astype(float)
    centred = found.scores[60:] - found.scores[:60].mean(0)
    slope = np.linalg.lstsq(known - known.mean(0), found.scores[:60] - found.scores[:60].mean(0), rcond=None)[0]
    np.testing.assert_allclose(centred, (new - known.mean(0)) @ slope, atol=1e-5)
    np.testing.assert_allclose(found.scores[:60].mean(0), 0, atol=1e-5)


def test_a_point_that_is_left_out_has_no_say_in_its_prediction():
    rng = np.random.default_rng(0)
    features = unit_rows(rng.normal(size=(15, 4)))
    kernel, scores = 2 * gram(features), rng.normal(size=(15, 2))
    scores -= scores.mean(0)
    inverse = projection(kernel + np.eye(15))
    found = leave_one_out(scores, inverse @ scores, inverse)
    for point in (0, 7):
        others = np.delete(np.arange(15), point)
        part = kernel[np.ix_(others, others)]
        dual = projection(part + np.eye(14)) @ scores[others]
        weights = np.linalg.inv(part + np.eye(14)).sum(0)
        mean = weights @ scores[others] / weights.sum()
        expected = mean + kernel[point, others] @ dual - scores[others].mean(0)
        np.testing.assert_allclose(found[point], expected, atol=1e-8)


def test_the_diagonal_of_a_kernel_is_one():
    rows = sparse.csr_matrix([[0.6, 0.0], [0.6, 0.8], [0.0, 0.0]])
    np.testing.assert_allclose(gram(rows), [[1, 0.36, 0], [0.36, 1, 0], [0, 0, 1]])


def test_predictions_that_are_too_large_are_shrunk_and_wrong_ones_dropped():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(200, 5))
    real -= real.mean(0)
    response = Response(np.zeros(9), np.zeros((5, 9)), real, np.ones(200), np.zeros(200))
    assert calibrate(real, response) == 1
    np.testing.assert_allclose(calibrate(4 * real, response), 0.25, rtol=0.01)
    assert calibrate(-real, response) == 0
    assert calibrate(np.zeros_like(real), response) == 0
    # Half signal, half noise: a slope of 1/2, less its error
    assert 0.42 < calibrate(real + rng.normal(size=real.shape), response) < 0.52


def test_noisy_perturbations_count_less():
    data, truth = simulate(seed=3)
    rng = np.random.default_rng(0)
    errors = np.where(np.arange(60)[:, None] % 2, 6.0, 0.05) * np.ones(truth.shape[1])
    measured = truth[:60] + errors * rng.normal(size=errors.shape)

    def error(found):
        return np.square(found.effects - truth)[60:].mean()

    noisy = data._replace(effects=measured)
    assert error(gaussian_process(noisy._replace(errors=errors))) < 0.9 * error(gaussian_process(noisy))


def test_few_perturbations_or_no_features_leave_the_mean():
    data, _ = simulate(n_known=4)
    assert gaussian_process(data).calibration == 0
    data, _ = simulate()
    found = gaussian_process(data._replace(sources={}))
    np.testing.assert_allclose(found.effects, np.tile(data.effects.mean(0), (80, 1)))
    alone = gaussian_process(data._replace(sources={"own": np.eye(80)}))
    assert alone.calibration == 0


def test_many_perturbations_are_drawn_from(monkeypatch):
    data, truth = simulate(n_known=80)
    monkeypatch.setattr("scpi.model.perturbation_gp._process._MOST", 40)
    found = gaussian_process(data)
    assert correlation(found.effects[80:], truth[80:], found.mean) > 0.8
