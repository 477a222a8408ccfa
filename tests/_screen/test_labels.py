from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scpi._screen._labels import Labelling, text_labels

SCREEN = Labelling.of("ctrl", "+")


@pytest.mark.parametrize(
    ("label", "members"),
    [
        ("A", ("A",)),
        ("B+A", ("A", "B")),
        ("C+A+B", ("A", "B", "C")),
        ("A+ctrl", ("A",)),
        ("ctrl+A", ("A",)),
        ("ctrl", ()),
        ("ctrl+ctrl", ()),
        (" B + A ", ("A", "B")),
        ("A+A", ("A",)),
        ("A+", ("A",)),
        (7, ("7",)),
    ],
)
def test_members_are_sorted_without_the_control(label, members):
    assert SCREEN.members(label) == members
    assert SCREEN.canonical(label) == ("+".join(members) or "ctrl")
    assert SCREEN.is_combination(label) == (len(members) > 1)


@pytest.mark.parametrize("label", ["", " ", "+", "nan", "NA", "unassigned", "A+nan", None, float("nan"), pd.NA])
def test_what_is_not_assigned_is_never_a_control(label):
    assert SCREEN.canonical(label) == ""
    assert SCREEN.members(label) == ()


def test_a_control_may_have_a_name_that_would_else_be_missing():
    assert Labelling.of("None").canonical("None") == "None"
    assert Labelling.of("None").canonical("A+None") == "A"


@pytest.mark.parametrize(
    ("label", "canonical"),
    [
        ("non-targeting", "non-targeting"),
        ("A-non-targeting", "A"),
        ("non-targeting-B-A", "A-B"),
        ("targeting-non", "non-targeting"),
    ],
)
def test_a_control_is_compared_as_a_whole_before_it_is_split(label, canonical):
    labelling = Labelling.of("non-targeting", "-")
    assert labelling.canonical(label) == canonical
    assert labelling.canonical(labelling.canonical(label)) == canonical


def test_several_controls_are_one():
    labelling = Labelling.of(["NT1", "safe"], "+")
    assert [labelling.canonical(label) for label in ("NT1", "safe", "safe+NT1", "A+safe", "NT1+B+A")] == [
        "NT1",
        "NT1",
        "NT1",
        "A",
        "A+B",
    ]


@pytest.mark.parametrize(("control", "labels"), [(0, [0, 0.0, "0"]), (False, [False, "False"]), (1.0, ["1", "1.0"])])
def test_controls_may_be_numbers_and_booleans(control, labels):
    labelling = Labelling.of(control)
    assert {labelling.canonical(label) for label in labels} == {str(control)}
    assert labelling.members("2") == ("2",)


def test_without_a_delimiter_nothing_is_a_combination():
    labelling = Labelling.of("DMSO", None)
    assert labelling.members("(+)-JQ1") == ("(+)-JQ1",)
    assert labelling.canonical(" DMSO ") == "DMSO"


@pytest.mark.parametrize(
    ("control", "delimiter", "message"),
    [("ctrl", "", "delimiter=None"), ([], "+", "at least one"), ("", "+", "at least one")],
)
def test_what_makes_no_labelling(control, delimiter, message):
    with pytest.raises(ValueError, match=message):
        Labelling.of(control, delimiter)


def test_the_delimiter_is_taken_literally():
    assert Labelling.of("ctrl", ".").members("A.B") == ("A", "B")
    assert Labelling.of("ctrl", ";").canonical("TP53;MYC") == "MYC;TP53"


def test_the_vocabulary_holds_the_members_of_all_labels():
    assert SCREEN.vocabulary(["ctrl", "B+A", "C", "A+ctrl"]) == ["A", "B", "C"]


def test_cells_get_canonical_labels():
    raw = text_labels(pd.Series(["B+A", "A+B", None, "ctrl", "A+ctrl", "unassigned", "A", "B"]))
    read = SCREEN.read(raw)
    assert list(read.categories) == ["ctrl", "A", "B", "A+B"]
    assert read.codes.tolist() == [3, 3, -1, 0, 1, -1, 1, 2]


def test_a_name_that_contains_the_delimiter_is_warned_of():
    with pytest.warns(UserWarning, match=r"1 labels, such as '\(\+\)-JQ1'.*'\(', '\)-JQ1'.*`delimiter=None`"):
        SCREEN.warn_of_lone_members(["ctrl", "(+)-JQ1", "A"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SCREEN.warn_of_lone_members(["ctrl", "A+B", "A", "B", "C+D", "C"])
        SCREEN.warn_of_lone_members(["ctrl", "A+B"])


NAMES = st.lists(st.sampled_from(["A", "B1", "HLA-A", "x y"]), min_size=0, max_size=4)


@given(names=NAMES, seed=st.integers(0, 99))
def test_order_spacing_and_controls_make_one_condition(names, seed):
    rng = np.random.default_rng(seed)
    members = rng.permutation([*names, *names, "ctrl"])
    written = "+".join(" " * rng.integers(3) + member + " " * rng.integers(3) for member in members)
    expected = "+".join(sorted(set(names))) or "ctrl"
    assert SCREEN.canonical(written) == expected
    assert SCREEN.canonical(expected) == expected


@given(st.text(max_size=8), st.sampled_from(["+", "-", ";", None]))
def test_a_canonical_label_is_its_own(text, delimiter):
    labelling = Labelling.of(["ctrl", "non-targeting"], delimiter)
    once = labelling.canonical(text)
    assert labelling.canonical(once) == once
    assert labelling.members(once) == labelling.members(text)


def test_labels_of_any_type_are_read_as_text():
    read = text_labels(pd.Series(pd.Categorical([2, 1, None, 2], categories=[3, 2, 1])))
    assert list(read.categories) == ["2", "1"]
    assert read.codes.tolist() == [0, 1, -1, 0]
    mixed = text_labels(pd.Series(pd.Categorical([1, "1", "a"], categories=[1, "1", "a"])))
    assert np.asarray(mixed).tolist() == ["1", "1", "a"]
    assert np.asarray(text_labels(pd.Series([True, False]))).tolist() == ["True", "False"]


@pytest.mark.parametrize(
    ("control", "names"),
    [(0, ["0"]), (1.0, ["1.0"]), (["NT", 2], ["NT", "2"]), ("control", ["control"]), (False, ["False"])],
)
def test_a_message_has_one_spelling_of_a_number(control, names):
    assert Labelling.of(control).control_names == names
