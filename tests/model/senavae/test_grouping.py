from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpi.model.senavae._grouping import choose_n_groups, explained_held_out, group_directions, merge_lines


def left_over(changes, groups):
    """Sum of squares that one line per group leaves."""
    values = (np.linalg.svd(changes[groups == group])[1] for group in np.unique(groups))
    return sum((value[1:] ** 2).sum() for value in values)


@given(st.integers(0, 10_000), st.integers(2, 7))
def test_the_first_merge_is_the_cheapest_of_all_pairs(seed, n):
    changes = np.random.default_rng(seed).normal(size=(n, 4)) * np.random.default_rng(seed + 1).uniform(0.1, 3, (n, 1))
    first = next(merge_lines(changes @ changes.T))
    lost = {pair: np.linalg.svd(changes[list(pair)])[1][1] ** 2 for pair in itertools.combinations(range(n), 2)}
    assert lost[first.first, first.second] == pytest.approx(min(lost.values()), abs=1e-9)


@given(st.integers(0, 10_000), st.integers(3, 12))
def test_every_merge_is_the_cheapest_of_those_left(seed, n):
    """Groups are kept by their line and what lies along it, as in a naive search without any memory."""
    rng = np.random.default_rng(seed)
    changes = rng.normal(size=(n, 5)) * rng.uniform(0.1, 3, (n, 1))
    lines = dict(enumerate(changes))
    for merge in merge_lines(changes @ changes.T):
        pairs = {pair: np.linalg.svd(np.stack([lines[i] for i in pair])) for pair in itertools.combinations(lines, 2)}
        lost = {pair: values[1] ** 2 for pair, (_, values, _) in pairs.items()}
        chosen = (merge.first, merge.second)
        assert lost[chosen] == pytest.approx(min(lost.values()), abs=1e-9)
        _, values, right = pairs[chosen]
        unit = [lines[i] / np.linalg.norm(lines[i]) for i in chosen]
        joined = merge.weights[0] * unit[0] + merge.weights[1] * unit[1]
        assert abs(joined @ right[0]) == pytest.approx(1, abs=1e-6)
        lines[merge.first] = values[0] * joined
        del lines[merge.second]
    assert len(lines) == 1


def test_perturbations_along_the_same_line_are_one_group():
    axes = np.eye(3, 8)
    changes = np.array([2 * axes[0], -axes[0], axes[1], 3 * axes[2], 0.5 * axes[1]])
    groups, directions = group_directions(changes + 0.01 * np.random.default_rng(0).normal(size=(5, 8)), 3)
    assert groups[0] == groups[1]
    assert groups[2] == groups[4]
    assert len({groups[0], groups[2], groups[3]}) == 3
    for index, axis in ((0, 0), (2, 1), (3, 2)):
        assert abs(directions[groups[index]] @ axes[axis]) > 0.99
    # The sign is that of most of the change: here of the doubled effect.
    assert directions[groups[0]] @ axes[0] > 0
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)


def test_each_perturbation_is_a_group_where_there_are_enough():
    changes = np.random.default_rng(0).normal(size=(3, 10))
    groups, directions = group_directions(changes, 5)
    assert groups.tolist() == [0, 1, 2]
    assert directions.shape == (5, 10)
    for change, direction in zip(changes, directions, strict=False):
        np.testing.assert_allclose(direction, change / np.linalg.norm(change))
    # The others are orthogonal to those in use.
    np.testing.assert_allclose(directions[3:] @ directions[:3].T, 0, atol=1e-10)


def test_perturbations_without_an_effect_are_grouped():
    changes = np.zeros((4, 6))
    changes[0, 0] = 1
    groups, directions = group_directions(changes, 2)
    assert groups.shape == (4,)
    assert np.isfinite(directions).all()


def test_a_weak_perturbation_does_not_part_strong_ones():
    """Two strong ones along one line, one across, and weak noise: of three groups each line has one."""
    rng = np.random.default_rng(1)
    changes = np.concatenate([[[3, 0, 0], [-2, 0.1, 0], [0, 3, 0]], 0.1 * rng.normal(size=(6, 3))])
    groups, _ = group_directions(changes, 3)
    assert groups[0] == groups[1] != groups[2]
    assert left_over(changes, groups) < 0.1


@pytest.mark.parametrize("n_lines", [1, 3, 6])
@pytest.mark.parametrize("seed", range(3))
def test_the_number_of_lines_is_found(n_lines, seed):
    """20 perturbations on some lines with either sign, and 10 that do nothing."""
    rng = np.random.default_rng(seed)
    lines = np.linalg.qr(rng.normal(size=(200, n_lines)))[0].T
    changes = np.zeros((30, 200))
    changes[:20] = (lines[np.arange(20) % n_lines].T * rng.uniform(1, 3, 20) * rng.choice([-1, 1], 20)).T

    def part(sd):
        return changes + rng.normal(scale=sd, size=changes.shape)

    assert choose_n_groups([(part(0.05), part(0.1)) for _ in range(5)]) == n_lines
    assert choose_n_groups([(part(0.05), part(0.1)) for _ in range(5)], most=2) == min(n_lines, 2)


def test_the_others_join_the_groups_of_the_largest(monkeypatch):
    monkeypatch.setattr("scpi.model.senavae._grouping.MOST_MERGED", 6)
    rng = np.random.default_rng(0)
    lines = np.linalg.qr(rng.normal(size=(30, 3)))[0].T
    size = np.array([3.0] * 6 + [1.0] * 12) * rng.choice([-1, 1], 18)
    changes = lines[np.arange(18) % 3] * size[:, None] + 0.01 * rng.normal(size=(18, 30))
    groups, directions = group_directions(changes, 3)
    assert (groups == groups[np.arange(18) % 3]).all()
    assert np.abs((directions[groups] * changes).sum(1)) == pytest.approx(np.abs(size), abs=0.1)
    # As many groups as are asked for, whatever is merged
    assert len(np.unique(group_directions(changes, 10)[0])) == 10


def test_precise_changes_count_more():
    """The third has the largest change, but of few cells: it is the first that gives up a line of its own."""
    changes = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.3, 0.0, 3.0]])
    assert group_directions(changes, 2)[0].tolist() == [0, 0, 1]
    groups, directions = group_directions(changes, 2, precision=np.array([400.0, 400.0, 4.0]))
    assert groups.tolist() == [0, 1, 0]
    assert directions[1] == pytest.approx([0.8, 0.6, 0])
    assert directions[0] @ changes[0] > 0.9


def test_what_is_explained_is_the_projection_on_the_lines_of_the_first_part():
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(2, 6, 15))
    explained = explained_held_out(first, second)
    # All alone: on its own direction; all together: on the first principal axis, up to the greedy path to it
    own = first / np.linalg.norm(first, axis=1, keepdims=True)
    assert explained[-1] == pytest.approx(scaled(first, second, own), abs=1e-12)
    two = explained_held_out(first[:2], second[:2])
    axis = np.linalg.svd(first[:2])[2][:1]
    assert two[0] == pytest.approx(scaled(first[:2], second[:2], np.repeat(axis, 2, axis=0)), abs=1e-12)


def scaled(first, second, lines):
    own, other = (first * lines).sum(1), (second * lines).sum(1)
    return max(own @ other, 0) ** 2 / (own @ own) / (second**2).sum()


def test_perturbations_without_any_effect_have_one_line():
    assert choose_n_groups([(np.zeros((4, 5)), np.zeros((4, 5)))] * 2) == 1
