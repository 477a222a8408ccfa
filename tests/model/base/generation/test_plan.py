from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.model.base.generation._covariates import Covariates
from scpi.model.base.generation._plan import count_measured, read_plan, warn_of_evidence

COVARIATES = Covariates({"compound": ["A", "B"]})
PLAN = pd.DataFrame({"compound": ["B", "A"], "n_cells": [3, 2], "well": ["w1", "w2"]}, index=["x", "y"])


def test_columns_that_count_do_not_describe_cells():
    groups = read_plan(PLAN.assign(library=[100.0, 50.0], library_sd=0.5), COVARIATES)
    assert groups.obs.columns.tolist() == ["compound", "well"] and groups.obs.index.tolist() == ["x", "y"]
    assert groups.covariates.codes.tolist() == [[1], [0]] and groups.sizes.tolist() == [3, 2]
    assert read_plan(PLAN, COVARIATES).library is None
    assert groups.rows.tolist() == [0, 0, 0, 1, 1]
    assert groups.table().index.tolist() == ["x_0", "x_1", "x_2", "y_0", "y_1"]
    assert groups.table()["compound"].tolist() == ["B", "B", "B", "A", "A"]


def test_totals_are_log_normal():
    plan = pd.DataFrame({"compound": ["A", "B"], "n_cells": 20_000, "library": [100.0, 50.0], "library_sd": [0.5, 0.0]})
    drawn = read_plan(plan, COVARIATES).draw_library(np.random.default_rng(0))
    first, second = np.log(drawn[:20_000]), drawn[20_000:]
    assert np.median(first) == pytest.approx(np.log(100), abs=0.02) and first.std() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(second, 50.0)


@pytest.mark.parametrize(
    ("plan", "error", "message"),
    [
        ({"compound": ["A"]}, TypeError, "must be a DataFrame.*not dict"),
        (PLAN.drop(columns="n_cells"), KeyError, "no column 'n_cells'"),
        (PLAN.drop(columns="compound"), KeyError, "lacks 'compound'"),
        (PLAN.iloc[:0], ValueError, "is empty"),
        (PLAN.assign(n_cells=[1.5, 2]), ValueError, "whole numbers of cells, at least 1"),
        (PLAN.assign(n_cells=[0, 2]), ValueError, "whole numbers of cells, at least 1"),
        (PLAN.assign(n_cells=["many", 2]), ValueError, r"plan\['n_cells'\]. must hold a number in every row"),
        (PLAN.assign(library=[0.0, 2.0]), ValueError, "above 0"),
        (PLAN.assign(library_sd=0.1), ValueError, "belongs to a column 'library'"),
        (PLAN.assign(library=1.0, library_sd=-0.1), ValueError, "must not be negative"),
    ],
)
def test_bad_plans(plan, error, message):
    with pytest.raises(error, match=message):
        read_plan(plan, COVARIATES)


# Donors and compounds of measured cells: 5 of (0, 0), 3 of (0, 1), 2 of (1, 0)
CELLS = np.repeat([[0, 0], [0, 1], [1, 0]], [5, 3, 2], axis=0)
GROUPS = np.array([[0, 1], [1, 1], [2, 1], [0, 1]])
NAMES = ["d0, B", "d1, B", "d2, B", "d0, B"]


def counted(sizes):
    return count_measured(GROUPS, np.array(sizes), CELLS, [0])


def test_groups_are_compared_with_their_own_cells_or_those_of_their_sample():
    found = counted([1, 2, 3, 4])
    assert found.asked.tolist() == [5, 2, 3, 5]
    assert found.measured.tolist() == [3, 0, 0, 3]
    assert found.largest.tolist() == [3, 2, 5, 3]
    assert count_measured(GROUPS, np.ones(4, int), CELLS, []).largest.tolist() == [3, 5, 5, 3]


def test_more_cells_than_were_measured_are_said():
    with pytest.warns(UserWarning) as said:
        warn_of_evidence(counted([1, 20, 5, 2]), NAMES)
    assert len(said) == 2 and said[0].filename == __file__
    assert "more cells than were measured of 1 of 4 groups, such as 20 of 'd1, B'" in str(said[0].message)
    assert "where the largest measured group of the sample has 2. Generated cells are" in str(said[0].message)
    assert "2 of 4 groups of the plan were not measured: 'd1, B', 'd2, B'." in str(said[1].message)


def test_as_many_measured_cells_as_asked_for_need_no_word():
    found = count_measured(GROUPS[:1], np.array([3]), CELLS, [0])
    warn_of_evidence(found, NAMES[:1])


def test_a_measured_group_is_said_with_its_own_number():
    with pytest.warns(UserWarning, match="of 1 of 1 groups, such as 4 of 'd0, B', of which 3 were measured"):
        warn_of_evidence(count_measured(GROUPS[:1], np.array([4]), CELLS, [0]), NAMES[:1])
