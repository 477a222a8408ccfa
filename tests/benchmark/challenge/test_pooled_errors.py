from __future__ import annotations

import numpy as np
import pytest

from scpi.benchmark._challenge._pooled_errors import capped_errors, effect_sizes

NONE = np.zeros((2, 3), dtype=bool)
REAL = np.array([[1.0, 2.0, 3.0], [2.0, 0.0, 1.0]])


def errors(predicted, real_noise, predicted_noise, targets=NONE):
    return capped_errors(REAL, np.array(predicted), np.array(real_noise), np.array(predicted_noise), targets)


def test_the_noise_of_both_is_subtracted():
    predicted = [[1.0, 2.0, 6.0], [5.0, 0.0, 1.0]]
    # The profiles differ by 4, 2 and 5, so that the claim of 2 x 0.6 is less than their spread
    np.testing.assert_allclose(errors(predicted, [0.9, 0.6], [0.6, 0.6]), [(9 - 1.5) / 3, (9 - 1.2) / 3])


def test_a_prediction_claims_no_more_noise_than_the_measured_cells_have():
    predicted = [[1.0, 2.0, 6.0], [5.0, 0.0, 1.0]]
    np.testing.assert_allclose(errors(predicted, [0.9, 0.6], [100.0, 0.6]), [(9 - 1.8) / 3, (9 - 1.2) / 3])


def test_one_profile_for_all_claims_none():
    predicted = [[1.0, 2.0, 3.0]] * 2
    np.testing.assert_allclose(errors(predicted, [0.9, 0.6], [0.9, 0.6]), [-0.3, (1 + 4 + 4 - 0.6) / 3])
    # Profiles that differ by 0.2 in one gene may claim the 0.02 of their squared differences from their mean, not 1.5
    near = [[1.0, 2.0, 3.0], [1.0, 2.0, 3.2]]
    factor = 0.02 / 1.5
    np.testing.assert_allclose(errors(near, [0.9, 0.6], [0.9, 0.6])[0], (-0.9 - 0.9 * factor) / 3)


def test_targets_are_left_out_of_the_error_and_of_the_spread():
    targets = np.array([[True, False, False], [False, False, False]])
    predicted = [[9.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    # Without the target both profiles are the same, and nothing can be claimed
    np.testing.assert_allclose(errors(predicted, [0.9, 0.6], [0.9, 0.6], targets), [-0.9 / 2, (1 + 4 + 4 - 0.6) / 3])
    alone = capped_errors(REAL[:, :1], REAL[:, :1], np.ones(2), np.zeros(2), np.array([[True], [False]]))
    assert np.isnan(alone[0]) and alone[1] == -1.0


def test_the_effect_is_the_error_of_the_control():
    found = effect_sizes(REAL, np.array([1.0, 1.0, 1.0]), np.array([0.3, 0.6]), 0.2, NONE)
    assert found == pytest.approx([(1 + 4 - 0.5) / 3, (1 + 1 - 0.8) / 3])
