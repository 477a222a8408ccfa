from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._groups import REST, choose_groups, group_sizes, named_groups, other_mean, plan_comparisons

LABELS = pd.Categorical(["0", "1", "1", "2", "2", None, "0"])


@pytest.mark.parametrize("reference", [0, "0", np.int64(0)])
@pytest.mark.parametrize("groups", [[1], 1, "1", ("1",), [1.0]])
def test_numbers_stand_for_labels(reference, groups):
    plan = plan_comparisons(LABELS, "group", groups, reference, 1)
    assert plan.tested == ["1"]
    assert (plan.reference, plan.reference_name, plan.n_groups) == (1, "0", 2)
    assert plan.codes.tolist() == [1, 0, 0, -1, -1, -1, 1]
    assert plan.sizes.tolist() == [2, 2]


def test_groups_that_are_not_tested_are_part_of_the_rest():
    plan = plan_comparisons(LABELS, "group", ["1"], REST, 1)
    assert plan.reference is None
    assert plan.codes.tolist() == [1, 0, 0, 1, 1, -1, 1]


def test_combinations_in_both_orders_are_one_group():
    labels = pd.Categorical(["A+B", "B+A", "control", "control", "A+control", "A"])
    with pytest.warns(UserWarning, match="are merged"):
        plan = plan_comparisons(labels, "perturbation", "all", "control", 1)
    assert plan.tested == ["A", "A+B"]
    assert plan.codes.tolist() == [1, 1, 2, 2, 0, 0]
    with pytest.warns(UserWarning, match="are merged"):
        assert plan_comparisons(labels, "perturbation", "B+A", "control", 1).tested == ["A+B"]


def test_the_mean_of_the_others():
    mean, size = np.array([[1.0], [3.0], [5.0]]), np.array([1, 1, 2])
    np.testing.assert_allclose(other_mean(mean, size, None).ravel(), [13 / 3, 11 / 3, 2.0])
    np.testing.assert_allclose(other_mean(mean, size, 1).ravel(), [3.0] * 3)


def test_sizes_of_groups():
    assert group_sizes(LABELS) == {"0": 2, "1": 2, "2": 2}


# --- which groups are tested


SIZES = {"a": 5, "b": 2, "control": 9, "c": 3}


def test_all_groups_are_those_of_enough_cells_but_the_reference():
    with pytest.warns(UserWarning, match=r"fewer than 3 cells.*: 'b'\."):
        assert choose_groups(SIZES, "group", "all", "control", 3) == ["a", "c"]
    assert choose_groups(SIZES, "group", "all", "rest", 2) == ["a", "b", "control", "c"]


def test_named_groups_keep_their_order_and_count_once():
    assert choose_groups(SIZES, "group", ["c", "a", "c"], "control", 3) == ["c", "a"]
    assert named_groups(SIZES, "group", "b", "control") == ["b"]
    assert named_groups(["1", "2"], "group", [2, 1], "rest") == ["2", "1"]


@pytest.mark.parametrize(
    ("groups", "reference", "message"),
    [
        (["a", "b"], "control", r"fewer than 3 cells and cannot be tested: 'b' \(2\)"),
        (["a", "z"], "control", r"'z' that is no label in `obs\['group'\]`"),
        ([], "control", "`groups` is empty"),
        (["control", "a"], "control", "tested against itself"),
    ],
)
def test_what_cannot_be_tested_is_named(groups, reference, message):
    with pytest.raises(ValueError, match=message):
        choose_groups(SIZES, "group", groups, reference, 3)


def test_nothing_large_enough_is_an_error():
    with (
        pytest.warns(UserWarning, match="'a', 'b', 'c'"),
        pytest.raises(ValueError, match="no group of at least 6 cells other than 'control'"),
    ):
        choose_groups(SIZES, "group", "all", "control", 6)


# --- plans


TYPES = pd.Categorical(["b", "a", "c", None, "a", "b", "c", "a"], categories=["a", "b", "c"])


def plan(groups="all", reference="rest", min_size=2, labels=TYPES):
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
