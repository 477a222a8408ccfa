from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.model.base.generation._covariates import Covariates, Encoded

COVARIATES = Covariates({"donor": ["d1", "d2"], "compound": ["A", "B", "7"]}, ["dose"])


def test_rows_are_encoded_in_the_order_of_the_model():
    table = pd.DataFrame({"dose": [0.5, 1.0], "compound": ["B", 7], "other": [0, 0], "donor": ["d2", "d1"]})
    codes, values = COVARIATES.encode(table)
    assert codes.tolist() == [[1, 1], [0, 2]]
    assert values.tolist() == [[0.5], [1.0]] and values.dtype == np.float32


def test_covariates_are_replaced_in_all_cells():
    codes, values = given = Encoded(np.array([[0, 0], [1, 1]]), np.array([[1.0], [2.0]], dtype=np.float32))
    changed, same = COVARIATES.replace(given, {"compound": 7})
    assert changed.tolist() == [[0, 2], [1, 2]] and same.tolist() == values.tolist()
    same, changed = COVARIATES.replace(given, {"dose": 3})
    assert same.tolist() == codes.tolist() and changed.tolist() == [[3.0], [3.0]]
    assert values.tolist() == [[1.0], [2.0]]
    assert given.take(np.array([1])).codes.tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"compound": ["A", "C"]},
            ValueError,
            "'compound' has no category 'C' in this model, which knows 'A', 'B', '7'",
        ),
        ({"compound": ["A", None]}, ValueError, "'compound' has no value for 1 rows"),
        ({"dose": ["high", 1.0]}, ValueError, "'dose' must be a finite number in every row; it is not in 1"),
        ({"donor": None}, KeyError, "column for each covariate of the model.*lacks 'donor'"),
    ],
)
def test_bad_tables(change, error, message):
    table = {"donor": ["d1", "d2"], "compound": ["A", "B"], "dose": [1.0, 2.0]} | change
    with pytest.raises(error, match=message):
        COVARIATES.encode(pd.DataFrame({name: value for name, value in table.items() if value is not None}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "nothing was given to change"),
        ({"plate": "p1"}, "conditioned on 'donor', 'compound', 'dose'; 'plate' was given"),
        ({"compound": "C"}, "no category 'C'"),
        ({"dose": np.nan}, "finite number"),
    ],
)
def test_bad_changes(changes, message):
    with pytest.raises(ValueError, match=message):
        COVARIATES.replace(Encoded(np.zeros((1, 2), int), np.zeros((1, 1), np.float32)), changes)
