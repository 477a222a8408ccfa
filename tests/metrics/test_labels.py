from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.metrics._labels import check_length, encode, encode_both


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        (["b", "a", "b"], [1, 0, 1], ["a", "b"]),
        (np.array([10, 2, 10]), [1, 0, 1], [2, 10]),
        (pd.Series([True, False]), [1, 0], [False, True]),
        (pd.Categorical(["b", "a"], categories=["c", "b", "a"]), [0, 1], ["b", "a"]),
        (pd.Series(["x", "y"], dtype="category"), [0, 1], ["x", "y"]),
    ],
)
def test_codes_follow_the_categories_or_the_order_of_the_labels(labels, codes, names):
    found, there = encode(labels, "labels")
    assert (found.tolist(), there) == (codes, names)
    assert found.dtype == np.intp


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None, np.nan], r"`labels` has 2 missing value\(s\)"),
        (pd.Categorical(["a", None]), "1 missing"),
        (np.array([1.0, np.nan]), "1 missing"),
        ([], "no cells"),
        ([["a"], ["b"]], r"one label for each cell, but has shape \(2, 1\)"),
    ],
)
def test_what_are_no_labels_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        encode(labels, "labels")


def test_two_labellings_are_of_the_same_cells():
    first, second = encode_both([1, 2, 1], ["x", "x", "y"])
    assert (first.tolist(), second.tolist()) == ([0, 1, 0], [0, 0, 1])
    with pytest.raises(ValueError, match="`labels` has 3 cells and `truth` 2"):
        encode_both([1, 2, 1], ["x", "y"])
    check_length(2, 2, "z")
