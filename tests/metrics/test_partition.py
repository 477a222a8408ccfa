from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from scpi.metrics import ari, nmi

labellings = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 4), min_size=n, max_size=n) for _ in range(2)))
)


def ari_by_pairs(first, second):
    """From all pairs of cells: the index, less its mean over permutations, over its maximum less the same."""
    same = [np.equal.outer(x, x)[np.triu_indices(len(x), 1)] for x in (first, second)]
    both, one, two, n = (same[0] & same[1]).sum(), same[0].sum(), same[1].sum(), len(same[0])
    expected = one * two / n
    return (both - expected) / ((one + two) / 2 - expected)


def test_ari_by_pairs():
    rng = np.random.default_rng(0)
    for _ in range(10):
        first, second = rng.integers(0, 3, 30), rng.integers(0, 4, 30)
        assert ari(first, second) == pytest.approx(ari_by_pairs(first, second))


def test_nmi_by_entropies():
    first, second = [0, 0, 0, 1, 1, 2], [1, 1, 0, 0, 0, 0]
    table = np.array([[1, 2], [2, 0], [1, 0]]) / 6
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mutual = np.nansum(table * np.log(table / np.outer(rows, columns)))
    entropies = [-(p * np.log(p)).sum() for p in (rows, columns)]
    assert nmi(first, second) == pytest.approx(mutual / np.mean(entropies))


@given(labellings)
@settings(max_examples=50, deadline=None)
def test_properties(pair):
    first, second = pair
    for metric, oracle in ((ari, adjusted_rand_score), (nmi, normalized_mutual_info_score)):
        value = metric(first, second)
        assert value == pytest.approx(oracle(second, first), abs=1e-9)
        assert value == pytest.approx(metric([f"cluster {5 - x}" for x in first], second), abs=1e-9)
        assert value <= 1 + 1e-9
        assert metric(first, first) == pytest.approx(1.0)


def test_random_labels_have_no_adjusted_index():
    rng = np.random.default_rng(0)
    values = [ari(rng.integers(0, 4, 200), rng.integers(0, 5, 200)) for _ in range(50)]
    assert np.mean(values) == pytest.approx(0.0, abs=4 * np.std(values) / np.sqrt(50))


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pd.Categorical, lambda x: pd.Series(x, dtype="category")])
def test_kinds_of_labels(kind):
    first, second = ["b", "a", "a", "c"], ["x", "y", "y", "x"]
    assert ari(kind(first), kind(second)) == pytest.approx(adjusted_rand_score(first, second))


@pytest.mark.parametrize("metric", [ari, nmi])
@pytest.mark.parametrize(
    ("labels", "truth", "match"),
    [
        ([0, 1], [0, 1, 1], "`labels` has 2 cells and `truth` 3"),
        ([0.0, np.nan], [0, 1], r"`labels` has 1 missing value\(s\)"),
        (["a", np.nan, None], [0, 1, 1], r"`labels` has 2 missing value\(s\)"),
        ([0, 1], pd.Categorical(["a", None]), r"`truth` has 1 missing value\(s\)"),
        ([], [], "`labels` has no cells"),
        ([[0, 1]], [0], r"`labels` must be one label for each cell, but has shape \(1, 2\)"),
        ("ab", [0, 1], r"has shape \(\)"),
    ],
)
def test_bad_labels(metric, labels, truth, match):
    with pytest.raises(ValueError, match=match):
        metric(labels, truth)
