from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi._screen._composition import dose_weights
from scpi.model.base.effects._spread import Spread
from scpi.model.base.prediction._profiles import Profiles
from scpi.model.multitask._kriging import _FLAT, _SIZES, Noise, kriged_changes, kriging_weights, take_noise

DOSES = np.array([[0.5], [1.0], [5.0], [20.0]])


def curves(rng, n_genes=300, size=1.0):
    """Changes of genes that rise or fall with the logarithm of the dose and saturate."""
    top, middle = rng.normal(0, size, n_genes), rng.uniform(0.5, 3.0, n_genes)
    return lambda dose: top * np.log1p(dose) / (np.log1p(dose) + middle)


class TestWeights:
    def test_without_errors_they_are_those_of_a_straight_line(self):
        changes = np.stack([curves(np.random.default_rng(0))(dose) for dose in DOSES[:, 0]])
        for dose in (0.7, 1.0, 3.0, 20.0, 100.0):
            found = kriging_weights(DOSES, np.array([dose]), changes, 1e-9 * np.eye(4))
            np.testing.assert_allclose(found, dose_weights(DOSES, np.array([dose])), atol=1e-3)

    def test_one_dose_is_shrunk_by_its_noise(self):
        change = np.random.default_rng(0).normal(0, 1, (1, 200))
        size = float((change @ change.T)[0, 0])
        for noise in (0.05, 0.3, 0.7):
            found = kriging_weights(np.ones((1, 1)), np.ones(1), change, np.array([[noise * size]]))
            # James and Stein; the size is the best of a few
            assert found[0] == pytest.approx(1.0 - noise, abs=0.05)
        assert kriging_weights(np.ones((1, 1)), np.ones(1), change, np.array([[1.5 * size]])).tolist() == [0.0]
        assert kriging_weights(np.ones((1, 1)), np.ones(1), 0 * change, np.eye(1)).tolist() == [0.0]

    def test_they_are_the_best_linear_prediction_of_the_most_likely_process(self):
        rng = np.random.default_rng(1)
        changes = np.stack([curves(rng, 60)(dose) for dose in DOSES[:, 0]]) + rng.normal(0, 0.3, (4, 60))
        errors = 60 * (np.diag([0.05, 0.1, 0.2, 0.1]) + 0.03)
        logs, dose = np.log1p(DOSES[:, 0]), np.log1p(3.0)
        best = None
        for flat in _FLAT:
            prior = flat + (1 - flat) * np.minimum.outer(logs, logs) / logs.max()
            for size in _SIZES:
                variance = size * np.square(changes).sum() / np.trace(prior)
                # Of one gene of 60 that are alike
                normal = stats.multivariate_normal(np.zeros(4), (variance * prior + errors) / 60)
                likelihood = normal.logpdf(changes.T).sum()
                if best is None or likelihood > best[0]:
                    cross = variance * (flat + (1 - flat) * np.minimum(logs, dose) / logs.max())
                    best = likelihood, np.linalg.solve(variance * prior + errors, cross)
        np.testing.assert_allclose(kriging_weights(DOSES, np.array([3.0]), changes, errors), best[1], rtol=1e-6)

    @pytest.mark.parametrize("seed", range(3))
    def test_they_are_nearer_to_the_truth_than_a_line_and_nothing(self, seed):
        rng = np.random.default_rng(seed)
        curve = curves(rng)
        error = np.sqrt(0.3) * (rng.normal(size=(4, 300)) + rng.normal(size=300))
        changes = np.stack([curve(dose) for dose in DOSES[:, 0]]) + error
        for dose in (0.7, 3.0, 40.0):
            asked, truth = np.array([dose]), curve(dose)
            of_line = np.linalg.norm(dose_weights(DOSES, asked) @ changes - truth)
            found = kriging_weights(DOSES, asked, changes, 300 * 0.3 * (np.eye(4) + 1.0)) @ changes
            assert np.linalg.norm(found - truth) < min(0.9 * of_line, 0.95 * np.linalg.norm(truth))

    @pytest.mark.parametrize("seed", range(3))
    def test_errors_alone_are_no_change(self, seed):
        rng = np.random.default_rng(seed)
        changes = rng.normal(size=(4, 300)) + rng.normal(size=300)
        found = kriging_weights(DOSES, np.array([3.0]), changes, 300 * (np.eye(4) + 1.0)) @ changes
        assert np.linalg.norm(found) < 0.15 * np.linalg.norm(dose_weights(DOSES, np.array([3.0])) @ changes)


def test_noise_is_the_spread_of_cells_over_the_number_of_controls():
    empty, pooled = np.zeros((0, 2)), np.array([1.0, 2.5])
    found = take_noise(Spread(empty, empty, pooled, np.array([3, 0, 5])))
    assert found.variance.tolist() == [3.5]
    # A context without controls is compared with the mean of the others
    assert found.n_control.tolist() == [3.0, 8.0, 5.0]


def test_contexts_are_predicted_each_from_their_own_doses():
    rng = np.random.default_rng(0)
    control, treated = rng.normal(size=(2, 30)), rng.normal(size=(5, 30))
    context, design = np.array([0, 0, 1, 1, 1]), np.array([[1, 0], [4, 0], [1, 0], [4, 0], [1, 1.0]])
    n_cells = np.array([10, 20, 30, 40, 50])
    kept = Profiles(control, treated, context, design, n_cells)
    found = kriged_changes(kept, np.array([2.0, 0.0]), [0, 1], Noise(np.array([5.0, 6.0]), np.array([3.0])))
    for code, pairs, n_control in ((0, [0, 1], 5.0), (1, [2, 3], 6.0)):
        changes = treated[pairs] - control[code]
        errors = np.diag(3.0 / n_cells[pairs]) + 3.0 / n_control
        weights = kriging_weights(np.array([[1.0], [4.0]]), np.array([2.0]), changes, errors)
        np.testing.assert_allclose(found[code], weights @ changes)
    # Of a combination, levels are near if the doses of both members are
    found = kriged_changes(kept, np.array([1.0, 1.0]), [1], Noise(np.array([5.0, 6.0]), np.array([1e-6])))
    np.testing.assert_allclose(found[0], treated[4] - control[1], rtol=1e-3)
