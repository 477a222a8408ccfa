from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.screen._report import _cell, as_frame


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.12345, "0.123"),
        (0.0, "0.000"),
        (-2e-5, "-2.00e-05"),
        (12, "12"),
        ("a <b>", "a <b>"),
        (None, "–"),
        (float("nan"), "–"),
        (np.float64(np.nan), "–"),
        (True, "True"),
    ],
)
def test_a_value_as_a_table_shows_it(value, expected):
    assert _cell(value) == expected


def test_a_table_keeps_the_kinds_of_its_columns():
    table = pd.DataFrame({"n_cells": [3, 4], "pval_adj": [0.5, np.nan], "set": pd.Categorical(["a", "b"])})
    found = as_frame(table)
    assert found["columns"] == ["n cells", "pval adj", "set"]
    assert [[_cell(value) for value in row] for row in found["rows"]] == [["3", "0.500", "a"], ["4", "–", "b"]]
