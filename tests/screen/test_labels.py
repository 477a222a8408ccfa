from __future__ import annotations

import numpy as np
import pytest

from scpi._screen._labels import canonical_label, encode_labels, split_label, vocabulary_of

SPELLING = {"control": "ctrl", "delimiter": "+"}


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
        ("", ()),
        (" B + A ", ("A", "B")),
        ("A+A", ("A",)),
    ],
)
def test_members_are_sorted_without_the_control(label, members):
    assert split_label(label, **SPELLING) == members
    assert canonical_label(label, **SPELLING) == ("+".join(members) or "ctrl")


def test_the_delimiter_is_taken_literally():
    assert split_label("A.B", control="ctrl", delimiter=".") == ("A", "B")
    assert canonical_label("TP53;MYC", control="ctrl", delimiter=";") == "MYC;TP53"
    assert split_label("HLA-A+B", control="ctrl", delimiter="+") == ("B", "HLA-A")


def test_the_vocabulary_holds_the_members_of_all_labels():
    assert vocabulary_of(["ctrl", "B+A", "C", "A+ctrl"], **SPELLING) == ["A", "B", "C"]


def test_labels_become_doses_of_their_members():
    design = encode_labels(["ctrl", "B+A", "C"], ["A", "B", "C"], **SPELLING)
    assert design.dtype == np.float32
    assert design.tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 1]]
    dosed = encode_labels(["B+A", "C"], ["A", "B", "C"], doses=[0.5, -2.0], **SPELLING)
    assert dosed.tolist() == [[0.5, 0.5, 0], [0, 0, -2]]


def test_unknown_perturbations_are_named_with_the_first_known_ones():
    known = [f"P{index:02d}" for index in range(15)]
    with pytest.raises(ValueError, match=r"Unknown perturbation 'X', 'Y'\. The model knows 'P00'.*'P11' and 3 more"):
        encode_labels(["Y+P00", "X"], known, **SPELLING)
