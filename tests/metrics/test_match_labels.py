from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpi.metrics import clustering_accuracy, match_labels

labellings = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 3), min_size=n, max_size=n) for _ in range(2)))
)


def brute_force(labels, truth, how):
    """Largest accuracy over all maps of clusters to groups; a cluster may have no group where groups are used once."""
    clusters, groups = sorted(set(labels)), sorted(set(truth))
    if how == "many_to_one":
        maps = product(groups, repeat=len(clusters))
    else:
        maps = permutations([*groups, *[None] * len(clusters)], len(clusters))
    best = 0
    for chosen in maps:
        of = dict(zip(clusters, chosen, strict=True))
        best = max(best, sum(of[label] == group for label, group in zip(labels, truth, strict=True)))
    return best / len(labels)


@pytest.mark.parametrize("how", ["one_to_one", "many_to_one"])
@given(pair=labellings)
@settings(max_examples=40, deadline=None)
def test_no_map_is_better(how, pair):
    labels, truth = pair
    match = match_labels(labels, truth, how=how)
    assert match.accuracy == pytest.approx(brute_force(labels, truth, how))
    assert match.accuracy == clustering_accuracy(labels, truth, how=how)
    assert match.accuracy == pytest.approx(np.mean([a == b for a, b in zip(match.labels, truth, strict=True)]))
    assert list(match.labels) == [match.mapping.get(label) for label in labels]
    n_clusters, n_groups = len(set(labels)), len(set(truth))
    if how == "one_to_one":
        assert len(match.mapping) == min(n_clusters, n_groups)
        assert len(set(match.mapping.values())) == len(match.mapping)
    else:
        assert set(match.mapping) == set(labels)
        assert match.accuracy >= clustering_accuracy(labels, truth)


def test_the_best_pair_is_not_always_taken():
    # The first cluster has most cells of B, but A can go nowhere else
    labels = np.repeat([0, 0, 1, 1], [4, 5, 1, 6])
    truth = np.repeat(["A", "B", "A", "B"], [4, 5, 1, 6])
    match = match_labels(labels, truth)
    assert match.mapping == {0: "A", 1: "B"}
    assert match.accuracy == 10 / 16
    assert match_labels(labels, truth, how="many_to_one").mapping == {0: "B", 1: "B"}


def test_more_clusters_than_groups_and_fewer():
    labels, truth = ["2", "2", "10", "10", "10", "x"], ["T", "T", "B", "B", "T", "B"]
    match = match_labels(labels, truth)
    assert match.mapping == {"2": "T", "10": "B"}
    assert list(match.labels) == ["T", "T", "B", "B", "B", None]
    assert match.accuracy == 4 / 6
    every = match_labels(labels, truth, how="many_to_one")
    assert every.mapping == {"2": "T", "10": "B", "x": "B"}
    assert every.accuracy == 5 / 6
    fewer = match_labels(truth, labels)
    assert fewer.mapping == {"T": "2", "B": "10"}
    assert clustering_accuracy(["one"] * 6, truth) == 0.5


def test_ties_go_to_the_first_group():
    labels = [0, 0]
    assert match_labels(labels, ["b", "a"], how="many_to_one").mapping == {0: "a"}
    reverse = pd.Categorical(["b", "a"], categories=["c", "b", "a"])
    assert match_labels(labels, reverse, how="many_to_one").mapping == {0: "b"}


def test_labels_keep_their_kind():
    match = match_labels(np.array([3, 3, 7]), pd.Series(["A", "A", "B"], dtype="category"))
    assert match.mapping == {3: "A", 7: "B"}
    assert all(type(key) is int and type(value) is str for key, value in match.mapping.items())
    assert match_labels(["a", "b"], [True, False]).mapping == {"a": True, "b": False}


def test_many_clusters_are_no_trouble():
    """All maps of thirty clusters would never be tried."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 30, 3000)
    renamed = rng.permutation(30)[truth]
    noisy = np.where(rng.random(3000) < 0.2, rng.integers(0, 30, 3000), renamed)
    match = match_labels(noisy, truth)
    assert match.accuracy == pytest.approx((noisy == renamed).mean())
    assert clustering_accuracy(renamed, truth) == 1.0


@pytest.mark.parametrize(
    ("labels", "truth", "how", "match"),
    [
        ([0, 1], [0], "one_to_one", "`labels` has 2 cells and `truth` 1"),
        ([0, None], [0, 1], "one_to_one", r"`labels` has 1 missing value\(s\): leave these cells out"),
        ([0, 1], ["a", np.nan], "many_to_one", r"`truth` has 1 missing"),
        ([], [], "one_to_one", "no cells"),
        ([0], [0], "best", "'one_to_one', 'many_to_one', but is 'best'"),
    ],
)
def test_bad_input(labels, truth, how, match):
    with pytest.raises(ValueError, match=match):
        match_labels(labels, truth, how=how)
