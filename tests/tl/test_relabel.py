from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from scpi.tl._relabel import Relabellings, n_labellings, relabel


def test_all_labellings_within_strata_are_enumerated():
    member = np.array([True, False, False, True, False])
    strata = np.array([0, 0, 0, 1, 1])
    found = relabel(member, strata, 6, np.random.default_rng(0))
    assert found.is_exhaustive
    assert n_labellings(member, strata) == 6
    assert sorted(map(tuple, np.sort(found.members, axis=1).tolist())) == [(i, j) for i in range(3) for j in (3, 4)]


def test_random_labellings_keep_the_members_of_each_stratum_and_are_uniform():
    member = np.arange(12) % 3 == 0
    strata = np.arange(12) // 6
    found = relabel(member, strata, 100, np.random.default_rng(0))
    assert not found.is_exhaustive and found.members.shape == (100, 4)
    many = relabel(member, strata, 224, np.random.default_rng(0)).members
    assert ((many < 6).sum(axis=1) == 2).all()
    assert all(len(set(row)) == 4 for row in many)
    one = relabel(np.arange(8) < 2, np.zeros(8), 10_000, np.random.default_rng(0))
    assert one.is_exhaustive and len(one.members) == len([*combinations(range(8), 2)])
    drawn = relabel(np.arange(40) < 10, np.zeros(40), 4_000, np.random.default_rng(1)).members
    # Each is drawn in a quarter of 4,000 labellings, with a standard deviation of 27
    assert np.abs(np.bincount(drawn.ravel(), minlength=40) - 1000).max() < 120


def test_a_stratum_of_members_alone_stays_as_it_is():
    member = np.array([True, True, False, False, True, False])
    strata = np.array([0, 0, 1, 1, 2, 2])
    found = relabel(member, strata, 100, np.random.default_rng(0))
    assert sorted(map(tuple, found.members.tolist())) == [(0, 1, 4), (0, 1, 5)]
    drawn = relabel(np.r_[[True] * 2, np.arange(30) < 5], np.r_[0, 0, np.ones(30)], 50, np.random.default_rng(0))
    assert (drawn.members[:, :2] == [0, 1]).all()


@pytest.mark.parametrize(("is_exhaustive", "expected"), [(True, 2 / 4), (False, 3 / 5)])
def test_the_observed_labelling_counts_once(is_exhaustive, expected):
    found = Relabellings(np.zeros((4, 1), dtype=np.intp), is_exhaustive)
    assert found.pval(1.0, np.array([0.5, 1.0 - 1e-9, 2.0, -1.0])) == expected
