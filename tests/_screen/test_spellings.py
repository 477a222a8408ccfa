from __future__ import annotations

import pandas as pd
import pytest

from scpi._screen._spellings import condition_namer, find_label, merge_spellings


def merged(labels, reference=None):
    found = merge_spellings(pd.Categorical(labels), reference)
    return [None if code < 0 else found.categories[code] for code in found.codes]


@pytest.mark.parametrize(
    ("labels", "reference", "expected"),
    [
        (["A+B", "B+A", "A"], None, ["A+B", "A+B", "A"]),
        (["B+A", "A + B"], "rest", ["A+B", "A+B"]),
        (["A", "A+control", "control+A", "control"], "control", ["A", "A", "A", "control"]),
        (["A+ctrl", "ctrl+A", "ctrl"], "ctrl", ["A", "A", "ctrl"]),
        (["ctrl+ctrl", "ctrl", None], "ctrl", ["ctrl", "ctrl", None]),
    ],
)
def test_spellings_of_one_condition_are_merged(labels, reference, expected):
    with pytest.warns(UserWarning, match="other spellings of the same condition are merged: "):
        assert merged(labels, reference) == expected


@pytest.mark.parametrize(
    ("labels", "reference"),
    [
        (["B+A", "A"], None),  # one spelling keeps its name
        (["CD4+", "CD4", "CD4+ T", "CD8+ T"], "CD4+ T"),
        (["A+control", "B"], "control"),
        (["A+B", "B", "A"], "A"),  # a perturbation as a reference is no control
        (["A+control", "A"], "rest"),
        (["unassigned", "none", "+", ""], None),
    ],
)
def test_what_is_written_once_stays(labels, reference):
    assert merged(labels, reference) == labels


def test_the_warning_names_the_labels():
    with pytest.warns(UserWarning, match=r"'A\+B', 'B\+A' as 'A\+B'; 'C\+D', 'D\+C' as 'C\+D'\."):
        merged(["A+B", "B+A", "C+D", "D+C"])


def test_labels_are_found_by_number_and_in_any_order():
    assert find_label(0, ["0", "1"]) == "0"
    assert find_label(1, ["0.0", "1.0"]) == "1.0"
    assert find_label(True, ["True", "False"]) == "True"
    assert find_label("B+A", ["A+B", "A"]) == "A+B"
    assert find_label("A", ["A+ctrl", "ctrl"], "ctrl") == "A+ctrl"
    assert find_label("Z", ["A"]) == "Z"


@pytest.mark.parametrize("reference", ["control", "NT", "non-targeting_3", "DMSO", "siCtrl_1", "wild type"])
def test_names_of_controls(reference):
    assert condition_namer(reference)(f"A+{reference}") == ("A" if reference != "siCtrl_1" else f"A+{reference}")
