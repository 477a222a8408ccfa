"""Greedy choices against the variances that are computed anew after each of them."""

from __future__ import annotations

import numpy as np
import pytest

from scpi.design._greedy import gain_information, largest, reduce_variance, spread_out

N, N_TARGETS, NOISE = 9, 6, 1.3


@pytest.fixture(scope="module")
def covariance():
    """Of the targets, then the candidates."""
    factor = np.random.default_rng(0).normal(size=(N_TARGETS + N, 5))
    return factor @ factor.T + 0.2 * np.eye(N_TARGETS + N)


def after(covariance, picked):
    rows = [N_TARGETS + i for i in picked]
    gain = np.linalg.solve(covariance[np.ix_(rows, rows)] + NOISE * np.eye(len(rows)), covariance[rows])
    return covariance - covariance[:, rows] @ gain


def target_variance(covariance, picked):
    return np.trace(after(covariance, picked)[:N_TARGETS, :N_TARGETS])


def test_each_pick_lowers_the_variance_of_the_targets_most(covariance):
    own = covariance[N_TARGETS:, N_TARGETS:]
    found = reduce_variance(
        4,
        lambda rows: np.diag(own)[rows],
        NOISE,
        lambda i: own[:, i],
        covariance[:N_TARGETS, N_TARGETS:],
        np.diag(covariance)[:N_TARGETS],
    )
    picked: list[int] = []
    for pick in found:
        before = target_variance(covariance, picked)
        left = {i: target_variance(covariance, [*picked, i]) for i in range(N) if i not in picked}
        assert pick.place == min(left, key=left.get)
        np.testing.assert_allclose(pick.gain, before - left[pick.place])
        of_each = np.diag(after(covariance, picked) - after(covariance, [*picked, pick.place]))[:N_TARGETS]
        np.testing.assert_allclose(pick.removed, of_each, atol=1e-10)
        picked.append(pick.place)


def test_information_is_that_of_the_determinant(covariance):
    own = covariance[N_TARGETS:, N_TARGETS:]
    found = gain_information(4, np.diag(own), NOISE, lambda i: own[:, i])
    places = [pick.place for pick in found]
    for n in range(1, 5):
        chosen = own[np.ix_(places[:n], places[:n])]
        expected = 0.5 * np.linalg.slogdet(np.eye(n) + chosen / NOISE)[1]
        np.testing.assert_allclose(sum(pick.gain for pick in found[:n]), expected)
    variance = np.diag(after(covariance, places[:2]))[N_TARGETS:].copy()
    variance[places[:2]] = -1.0
    assert places[2] == variance.argmax()


def test_what_spreads_out_is_far_from_all_before():
    points = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    # Measured at 0
    found = spread_out(3, 1.0 - points, lambda i: 1.0 - np.abs(points - points[i]))
    assert [pick.place for pick in found] == [4, 2, 1]
    np.testing.assert_allclose([pick.gain for pick in found], [1.0, 0.5, 0.1])


def test_the_largest_come_first_and_ties_in_order():
    assert [pick.place for pick in largest(3, np.array([1.0, 3.0, 1.0, 3.0]))] == [1, 3, 0]


def test_variances_are_asked_for_only_where_the_gain_may_be_the_largest():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(1010, 4)) * np.where(np.arange(1010) < 20, 1.0, 0.1)[:, None]
    joint = factor @ factor.T + 1e-3 * np.eye(1010)
    asked: list[int] = []

    def variance(rows):
        asked.extend(rows.tolist())
        return np.diag(joint)[10:][rows]

    own = joint[10:, 10:]
    found = reduce_variance(3, variance, NOISE, lambda i: own[:, i], joint[:10, 10:], np.diag(joint)[:10])
    everything = reduce_variance(
        3, lambda rows: np.diag(own)[rows], NOISE, lambda i: own[:, i], joint[:10, 10:], np.full(10, 1e9)
    )
    assert [pick.place for pick in found] == [pick.place for pick in everything]
    assert len(asked) == len(set(asked)) < 200
