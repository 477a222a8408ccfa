"""P-values of predicted changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi._conformal._hits import conformal_p_values, hit_p_values, statistics
from scpi._conformal._left_out import LeftOut
from scpi.de import false_discovery_control


def screen(n, *, n_genes=300, n_changed=60, noise=1.0, rng=0):
    """Conditions of which the model knows half of the change of the genes that change, and guesses the others."""
    generator = np.random.default_rng(rng)
    real = np.zeros((n, n_genes))
    real[:, :n_changed] = 3.0 * generator.normal(size=(n, n_changed))
    predicted = real / 2 + 0.5 * generator.normal(size=(n, n_genes))
    return predicted, real + noise * generator.normal(size=(n, n_genes)), real != 0


def test_a_conformal_p_value_is_a_rank():
    assert conformal_p_values(np.array([3.0, 1.0, 2.0]), np.array([4.0, 3.0, 1.5, 0.0])).tolist() == [
        0.25,
        0.5,
        0.75,
        1.0,
    ]
    assert conformal_p_values(np.zeros(0), np.array([1.0])).tolist() == [1.0]


@pytest.mark.parametrize("n", [9, 99])
def test_conformal_p_values_are_uniform_under_the_null(n):
    scores = np.random.default_rng(0).gamma(0.3, size=(4000, n + 1))
    found = np.array([conformal_p_values(row[1:], row[:1])[0] for row in scores])
    for level in (0.1, 0.2, 0.5, 0.8):
        assert abs((found <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 4000)


def test_p_values_of_genes_that_do_not_change_are_uniform():
    predicted, measured, _ = screen(40, n_changed=0)
    left_out = LeftOut(predicted[:30], measured[:30], np.zeros((30, 300)))
    found = hit_p_values(left_out, predicted[30:])
    assert stats.kstest(found.ravel(), "uniform").pvalue > 0.01


def test_genes_that_change_are_found_and_the_rate_of_false_discoveries_is_held():
    rates, found = [], []
    for seed in range(10):
        predicted, measured, changed = screen(20, rng=seed)
        left_out = LeftOut(predicted[:15], measured[:15], np.zeros((15, 300)))
        hits = false_discovery_control(hit_p_values(left_out, predicted[15:]), axis=1) <= 0.1
        rates.append((hits & ~changed[15:]).sum() / max(hits.sum(), 1))
        found.append(hits[changed[15:]].mean())
    assert np.mean(rates) <= 0.1
    assert np.mean(found) > 0.1


def test_predictions_of_no_worth_have_hits_as_rarely_as_the_level_says():
    rng = np.random.default_rng(0)
    predicted, measured = rng.normal(size=(2, 120, 200))
    p_values = hit_p_values(LeftOut(predicted[:60], measured[:60], measured[:60]), predicted[60:])
    hits = false_discovery_control(p_values, axis=1) <= 0.2
    assert hits.any(axis=1).mean() < 0.2 + 2 * np.sqrt(0.16 / 60)


def test_genes_that_move_against_their_prediction_make_p_values_larger():
    predicted, measured, changed = screen(20)
    good = hit_p_values(LeftOut(predicted[:15], measured[:15], measured[:15]), predicted[15:])
    measured[:4] *= -1.0
    bad = hit_p_values(LeftOut(predicted[:15], measured[:15], measured[:15]), predicted[15:])
    assert np.median(bad[changed[15:]]) > 2 * np.median(good[changed[15:]])


def test_a_score_is_the_change_by_its_usual_error():
    # Errors of 1 and 3 in all conditions; the median over genes of their squares is 5
    residual = np.tile([1.0, 3.0], (4, 1))
    left_out = LeftOut(np.ones((4, 2)), np.ones((4, 2)) + residual, np.zeros((4, 2)))
    expected = np.array([2.0, 2.0]) / np.sqrt([1.0 + 5.0, 9.0 + 5.0])
    np.testing.assert_allclose(statistics(left_out, np.array([[2.0, -2.0]]), None)[0], expected)


def test_the_own_group_has_no_part_in_a_score():
    predicted, measured, _ = screen(6)
    groups = np.array([0, 0, 1, 1, 2, 2])
    left_out = LeftOut(predicted, measured, predicted, groups)
    changed = measured.copy()
    changed[:2, 0] += 100.0
    after = LeftOut(predicted, changed, predicted, groups)
    own, other = (
        statistics(one, one.predicted, groups)[:, 0] / statistics(one, one.predicted, groups)[:, 1]
        for one in (left_out, after)
    )
    np.testing.assert_allclose(own[:2], other[:2])
    assert (np.abs(own - other)[2:] > 1e-3).all()
