from __future__ import annotations

import numpy as np

from scpi.model.conditions._encoding import Encoding
from scpi.model.conditions._low_rank import low_rank
from scpi.model.conditions._rows import Rows, group_means, group_sums, means_of_others, n_codes, one_hot
from scpi.model.conditions._transform import to_signed_logp, to_z

CODES = np.array([0, 1, 0, 2, 1, 0])
VALUES = np.array([[1.0, 0.0], [2.0, 4.0], [3.0, 0.0], [7.0, 7.0], [6.0, 0.0], [5.0, 3.0]])


def test_indicators_are_zero_for_what_is_not_known():
    np.testing.assert_array_equal(one_hot(np.array([1, -1]), 2), [[0, 1], [0, 0]])
    assert n_codes(CODES) == 3
    assert n_codes(np.zeros(0, dtype=np.int64)) == 0


def test_sums_and_means_of_groups():
    sums, size = group_sums(CODES, VALUES, np.array([1.0, 1, 2, 1, 1, 1]))
    np.testing.assert_allclose(sums, [[12, 3], [8, 4], [7, 7]])
    np.testing.assert_allclose(size, [4, 2, 1])
    means = group_means(CODES, VALUES, np.array([2, 0, -1]), np.array([9.0, 9.0]))
    np.testing.assert_allclose(means, [[7, 7], [3, 1], [9, 9]])


def test_the_mean_of_others_leaves_the_row_out():
    means, left = means_of_others(CODES, VALUES, np.ones(6), np.array([-1.0, -1.0]))
    np.testing.assert_allclose(means, [[4, 1.5], [6, 0], [3, 1.5], [-1, -1], [2, 4], [2, 0]])
    np.testing.assert_allclose(left, [2, 1, 2, 0, 1, 2])


def test_no_row_has_a_part_in_its_own_encoding():
    rng = np.random.default_rng(0)
    codes, targets = rng.integers(8, size=20), rng.normal(size=(20, 3))
    rows = Rows(np.zeros(20, dtype=np.int64), codes, np.zeros((20, 0)))
    before = Encoding.of_rows(rows, targets)
    for row in range(20):
        changed = targets.copy()
        changed[row] += 100.0
        after = Encoding.of_rows(rows, changed)
        others = before.known[row]
        assert others == ((codes == codes[row]).sum() > 1)
        if others:
            np.testing.assert_allclose(after.of_training[row], before.of_training[row], atol=1e-10)
    np.testing.assert_allclose(before.of(np.array([-1])), [targets.mean(axis=0)])
    np.testing.assert_allclose(before.of(codes[:1]), [targets[codes == codes[0]].mean(axis=0)])


def test_components_restore_values_of_their_rank():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 2)) @ rng.normal(size=(2, 30)) + 3.0
    reduced = low_rank(values, 5)
    assert reduced.scores.shape == (9, 2)
    np.testing.assert_allclose(reduced.restore(reduced.scores), values)
    np.testing.assert_allclose(reduced.components @ reduced.components.T, np.eye(2), atol=1e-12)
    whole = low_rank(values, None)
    np.testing.assert_allclose(whole.restore(whole.scores), values)
    assert low_rank(np.ones((3, 4)), 2).scores.shape == (3, 0)


def test_z_values_have_the_p_values_of_both_sides():
    # -log10 of 2 * (1 - Phi(1.959964)) is -log10(0.05)
    signed = np.array([0.0, -np.log10(0.05), np.log10(0.05), 300.0, -4.0])
    z = to_z(signed)
    np.testing.assert_allclose(z[:3], [0.0, 1.959964, -1.959964], atol=1e-6)
    assert np.isfinite(z).all()
    np.testing.assert_allclose(to_signed_logp(z), signed, rtol=1e-9, atol=1e-12)
