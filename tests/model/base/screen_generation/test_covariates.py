from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._screen._labels import Labelling
from scpi.model.base.generation._covariates import Encoded
from scpi.model.base.screen_generation._covariates import ScreenCovariates

CHECKED = []


def known(dose="dose"):
    return ScreenCovariates(
        {"cell_type": ["B", "T"], "batch": ["1", "2"]},
        perturbation="drug",
        dose=dose,
        vocabulary=["A", "B", "C"],
        labelling=Labelling(("control", "vehicle"), "+"),
        check_dose=CHECKED.append,
    )


def table(*labels, **columns):
    return pd.DataFrame({"drug": labels, "cell_type": "T", "batch": 1} | columns)


def test_names():
    assert known().names == ["drug", "dose", "cell_type", "batch"] and known().text == ["drug", "cell_type", "batch"]
    assert known(None).names == ["drug", "cell_type", "batch"]


def test_perturbations_are_doses_of_their_members():
    found = known(None).encode(table("B+A", "vehicle", "C", "A + control"))
    assert found.values.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0]] and found.values.dtype == np.float32
    assert found.codes.tolist() == [[1, 0]] * 4


def test_doses_are_those_of_all_members_or_of_each():
    CHECKED.clear()
    found = known().encode(table("B+A", "B+A", "vehicle", dose=[2.0, "0.5+3", 7.0]))
    # In the order in which the label is written
    assert found.values.tolist() == [[2, 2, 0], [3, 0.5, 0], [0, 0, 0]]
    assert CHECKED == [2.0, {"A": 3.0, "B": 0.5}, 0.0]


@pytest.mark.parametrize(
    ("plan", "error", "message"),
    [
        (table("A+X", dose=1.0), ValueError, "Unknown perturbation 'X'. The model knows 'A', 'B', 'C'"),
        (table("A"), KeyError, "`plan` must have a column for each covariate of the model, .*'dose'"),
        (table("A", None, dose=1.0), ValueError, "covariate 'drug' has no value for 1 rows"),
        (table("A", dose=-1.0), ValueError, r"`plan\['dose'\]` holds negative doses such as -1"),
        (table("A", dose="much"), ValueError, r"`plan\['dose'\]` must be a finite number"),
        (table("A", dose=1.0, cell_type="NK"), ValueError, "'cell_type' has no category 'NK' in this model.*'B', 'T'"),
    ],
)
def test_bad_plans(plan, error, message):
    with pytest.raises(error, match=message):
        known().encode(plan)


GIVEN = Encoded(np.array([[0, 1], [1, 0], [1, 1]]), np.array([[0, 0, 0], [2, 0, 0], [1, 3, 0]], dtype=np.float32))


@pytest.mark.parametrize(
    ("changes", "codes", "values"),
    [
        ({"drug": "C", "dose": 4}, GIVEN.codes, [[0, 0, 4]] * 3),
        ({"drug": "control"}, GIVEN.codes, [[0, 0, 0]] * 3),
        # Controls have none
        ({"dose": 5}, GIVEN.codes, [[0, 0, 0], [5, 0, 0], [5, 5, 0]]),
        ({"batch": "1", "cell_type": "B"}, [[0, 0]] * 3, GIVEN.values),
        ({"drug": "B+C", "dose": "2+1", "cell_type": "T"}, [[1, 1], [1, 0], [1, 1]], [[0, 2, 1]] * 3),
    ],
)
def test_changes(changes, codes, values):
    found = known().replace(GIVEN, changes)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.values, values)
    assert found.values.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drug": "C"}, "The model reads the dose of a perturbation: give 'dose' of 'C' beside 'drug'"),
        ({"drug": "X", "dose": 1}, "Unknown perturbation 'X'"),
        ({"dose": "much"}, "covariate 'dose' must be a finite number"),
        ({"dose": -1}, "'dose' must be at least 0, got -1"),
        ({"donor": "d"}, "conditioned on 'drug', 'dose', 'cell_type', 'batch'; 'donor' was given to change"),
        ({}, "nothing was given to change"),
    ],
)
def test_bad_changes(changes, message):
    with pytest.raises(ValueError, match=message):
        known().replace(GIVEN, changes)


def test_columns_of_changed_cells():
    assert known().column("dose", 2, 3) == 2.0
    assert list(known().column("dose", "1+2", 2)) == ["1+2"] * 2
    assert list(known().column("drug", "A", 2)) == ["A"] * 2
