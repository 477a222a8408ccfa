from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi._screen._conditions import (
    Condition,
    describe_conditions,
    encode_conditions,
    member_doses,
    read_conditions,
    read_screen,
)
from scpi._screen._labels import Labelling

SCREEN = Labelling.of("ctrl", "+")
WHERE = ("label", "dose")


def test_labels_become_doses_of_their_members():
    design = encode_conditions(["ctrl", "B+A", "C"], ["A", "B", "C"], SCREEN)
    assert design.dtype == np.float32
    assert design.tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 1]]
    dosed = encode_conditions(["B+A", "C"], ["A", "B", "C"], SCREEN, [0.5, -2.0])
    assert dosed.tolist() == [[0.5, 0.5, 0], [0, 0, -2]]


def test_each_member_may_have_a_dose_of_its_own():
    design = encode_conditions(["B+A", "A+B"], ["A", "B"], SCREEN, [{"A": 10.0, "B": 0.5}, (3.0, 4.0)])
    assert design.tolist() == [[10.0, 0.5], [3.0, 4.0]]
    with pytest.raises(ValueError, match=r"each of \['A', 'B'\], but are for \['A'\]"):
        encode_conditions(["A+B"], ["A", "B"], SCREEN, [{"A": 1.0}])
    with pytest.raises(ValueError, match="3 doses were given for the 2"):
        member_doses(["A", "B"], [1.0, 2.0, 3.0])


def test_unknown_perturbations_are_named_with_the_first_known_ones():
    known = [f"P{index:02d}" for index in range(15)]
    with pytest.raises(ValueError, match=r"Unknown perturbation 'X', 'Y'\. The model knows 'P00'.*'P11' and 3 more"):
        encode_conditions(["Y+P00", "X"], known, SCREEN)
    with pytest.raises(ValueError, match="Unknown perturbation 'unassigned'"):
        encode_conditions(["unassigned"], known, SCREEN)


def test_doses_follow_the_order_of_the_label_as_it_is_written():
    labels = pd.Series(["B+A", "A+B", "A", "ctrl", "A+ctrl", None, "B"])
    doses = pd.Series(["10+0.5", "0.5+10", "3", "nan", "2+0", "1", 1e3], dtype=object)
    conditions, codes = read_conditions(labels, SCREEN, doses, where=WHERE)
    assert conditions == [
        Condition("A", (2.0,)),
        Condition("A", (3.0,)),
        Condition("A+B", (0.5, 10.0)),
        Condition("B", (1000.0,)),
        Condition("ctrl", ()),
    ]
    assert codes.tolist() == [2, 2, 1, 4, 0, -1, 3]
    assert conditions[2].dose(SCREEN) == {"A": 0.5, "B": 10.0}
    assert conditions[2].dose_name(SCREEN) == "0.5+10"
    assert conditions[2].largest_dose == 10.0
    assert conditions[1].dose(SCREEN) == conditions[1].dose_name(SCREEN) == 3.0
    assert conditions[4].dose(SCREEN) == 0.0


def test_a_dose_in_scientific_notation_is_one_number():
    conditions, _ = read_conditions(pd.Series(["A+B"]), SCREEN, pd.Series(["1e+03"]), where=WHERE)
    assert conditions == [Condition("A+B", (1000.0, 1000.0))]


@pytest.mark.parametrize(
    ("dose", "message"),
    [
        ("x", "must be a finite number"),
        (np.nan, "must be a finite number"),
        (-1.0, "negative doses such as -1"),
        ("1+2+3", "3 doses, '1.2.3', for the 2 members"),
    ],
)
def test_doses_that_cannot_be_read(dose, message):
    with pytest.raises(ValueError, match=message):
        read_conditions(pd.Series(["A+B"]), SCREEN, pd.Series([dose], dtype=object), where=WHERE)


def screen():
    obs = pd.DataFrame(
        {
            "label": ["A", "ctrl", "safe", "B+A", "A+ctrl", "unassigned", "A"],
            "dose": [1.0, np.nan, 5.0, 2.0, 1.0, 1.0, 4.0],
            "type": ["T", "T", "B", "B", None, "T", "T"],
        },
        index=[f"c{i}" for i in range(7)],
    )
    return ad.AnnData(np.zeros((7, 1)), obs=obs)


def test_a_screen_is_read_without_the_cells_that_lack_a_label():
    read = read_screen(
        screen(), perturbation_key="label", control=["ctrl", "safe"], context_key="type", dose_key="dose"
    )
    assert read.cells.tolist() == [0, 1, 2, 3, 6]
    assert read.perturbation.tolist() == ["A", "ctrl", "ctrl", "A+B", "A"]
    assert read.is_control.tolist() == [False, True, True, False, False]
    assert read.dose.tolist() == [1.0, 0.0, 0.0, 2.0, 4.0]
    assert read.context.tolist() == ["T", "T", "B", "B", "T"]
    assert len(set(read.stratum)) == 5
    assert read.where(np.array([2, 6])).tolist() == [2, 4]


def test_some_cells_of_a_screen_are_read():
    for cells in ([0, 1, 6], np.isin(np.arange(7), [0, 1, 6])):
        read = read_screen(screen(), perturbation_key="label", control="ctrl", cells=cells)
        assert read.cells.tolist() == [0, 1, 6]
        assert read.dose.tolist() == [1.0, 0.0, 1.0]


def test_what_makes_no_screen():
    with pytest.raises(KeyError, match="no column 'nothing', only 'label', 'dose', 'type'"):
        read_screen(screen(), perturbation_key="nothing")
    with pytest.raises(ValueError, match="There is no control cell"):
        read_screen(screen(), perturbation_key="label", control="nobody")
    with pytest.raises(ValueError, match="There is no perturbed cell"):
        read_screen(screen(), perturbation_key="label", control="ctrl", cells=[1])


@pytest.mark.parametrize(
    ("labels", "doses", "sentence"),
    [
        (["ctrl", "A", "A", "B"], None, "1 control cells ('ctrl'), 2 single perturbations (3 cells), no combinations."),
        (["ctrl", "A+B"], None, "1 control cells ('ctrl'), no single perturbations, 1 combinations (1 cells)."),
        (
            ["ctrl", "A", "A+B", "B+A", "A+ctrl", None, "unassigned"],
            None,
            "1 control cells ('ctrl'), 1 single perturbations (2 cells), 1 combinations (2 cells), "
            "spelled otherwise: 'A+ctrl', 'B+A', 2 cells left out, without a label or unassigned.",
        ),
        (
            ["ctrl", "A", "A", "A+B"],
            ["0", "1", "2", "1+5"],
            "1 control cells ('ctrl'), 1 single perturbations (2 cells), 1 combinations (1 cells), 3 doses.",
        ),
    ],
)
def test_what_was_understood_is_one_sentence(labels, doses, sentence):
    labels = pd.Series(labels, dtype=object)
    doses = None if doses is None else pd.Series(doses, dtype=object)
    found = read_conditions(labels, SCREEN, doses, where=WHERE)
    assert describe_conditions(*found, labels, SCREEN) == sentence
