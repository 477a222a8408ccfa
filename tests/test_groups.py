from __future__ import annotations

import pytest

from scpi._groups import choose_groups, named_groups

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
