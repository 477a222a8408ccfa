from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.de._plan import plan_comparisons

LABELS = pd.Categorical(["b", "a", "c", None, "a", "b", "c", "a"], categories=["a", "b", "c"])


def plan(groups="all", reference="rest", min_size=2, labels=LABELS):
    return plan_comparisons(labels, "group", groups, reference, min_size)


def test_all_groups_against_the_rest():
    found = plan()
    assert (found.tested, found.reference, found.n_groups) == (["a", "b", "c"], None, 3)
    assert found.codes.tolist() == [1, 0, 2, -1, 0, 1, 2, 0]
    assert found.sizes.tolist() == [3, 2, 2]


def test_groups_that_are_not_asked_for_are_one_rest():
    found = plan(["c"])
    assert found.codes.tolist() == [1, 1, 0, -1, 1, 1, 0, 1]
    assert (found.n_groups, found.reference) == (2, None)


def test_a_reference_comes_after_the_tested_groups_and_others_are_left_out():
    found = plan(["c"], "a")
    assert found.codes.tolist() == [-1, 1, 0, -1, 1, -1, 0, 1]
    assert (found.tested, found.reference, found.n_groups) == (["c"], 1, 2)
    assert plan(reference="a").tested == ["b", "c"]


def test_a_rest_of_few_cells_is_left_out():
    labels = pd.Categorical([*"aabb", "c"])
    with pytest.warns(UserWarning, match="'c'"):
        found = plan(labels=labels)
    assert found.codes.tolist() == [0, 0, 1, 1, -1]
    assert found.n_groups == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reference": "z"}, r"`reference` must be 'rest' or a group of `obs\['group'\]`, 'a', 'b', 'c', but is 'z'"),
        ({"reference": "b", "min_size": 3}, r"The reference 'b' has 2 cell\(s\), but at least 3"),
        ({"labels": pd.Categorical(["a", "a"])}, r"has 1 group\(s\), 'a': there is nothing to compare"),
        ({"groups": ["b"], "min_size": 3}, r"'b' \(2\)"),
    ],
)
def test_comparisons_that_cannot_be_made_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan(**arguments)


def test_every_cell_with_a_label_counts_once():
    rng = np.random.default_rng(0)
    labels = pd.Categorical.from_codes(rng.integers(-1, 6, 200), list("uvwxyz"))
    found = plan(labels=labels)
    np.testing.assert_array_equal(found.codes, labels.codes)
    assert found.sizes.sum() == (labels.codes >= 0).sum()
