"""Sizes of effects by perturbation and context."""

from __future__ import annotations

import numpy as np

from scpi.model.perturbation_gp._sizes import expected_sizes, size_parts

PERTURBATION = np.array([0, 1, 2, 0, 1, 2, 0])
CONTEXT = np.array([0, 0, 0, 1, 1, 1, 2])


def test_parts_are_means_that_are_drawn_to_zero():
    values = np.array([1.0, 2.0, 3.0, -1.0, 0.0, 1.0, 1.0])
    own, of_context = size_parts(values, PERTURBATION, CONTEXT, 4, 4)
    deviation = values - 1.0
    expected = np.array([deviation[:3].sum() / 4, deviation[3:6].sum() / 4, 0.0, 0.0])
    np.testing.assert_allclose(of_context, expected)
    rest = deviation - expected[CONTEXT]
    np.testing.assert_allclose(own[1], (rest[1] + rest[4]) / 3)
    assert own[3] == 0


def test_a_pair_has_no_say_in_its_own_size():
    values = np.random.default_rng(0).normal(size=7)
    before = expected_sizes(values, PERTURBATION, CONTEXT, np.arange(7))
    changed = values.copy()
    # The other offsets move by a part of it: those of the pair itself do not
    changed[4] += 1e-6
    after = expected_sizes(changed, PERTURBATION, CONTEXT, np.arange(7))
    assert abs(after[4] - before[4]) < 1e-6 * before[4]
    assert np.abs(after - before).max() > 1e-8


def test_one_context_and_no_other_pair_of_a_perturbation_say_nothing():
    values = np.random.default_rng(0).normal(size=6)
    found = expected_sizes(values, np.arange(6), np.zeros(6, dtype=int), np.arange(6))
    np.testing.assert_allclose(found, 1.0, atol=1e-12)


def test_sizes_come_back():
    rng = np.random.default_rng(0)
    perturbation, context = (codes.ravel() for codes in np.meshgrid(np.arange(30), np.arange(6)))
    truth = rng.normal(size=30)[perturbation] + 0.5 * rng.normal(size=6)[context]
    found = np.log(expected_sizes(truth + 0.1 * rng.normal(size=180), perturbation, context, np.arange(180)))
    assert np.corrcoef(found, truth)[0, 1] > 0.97
