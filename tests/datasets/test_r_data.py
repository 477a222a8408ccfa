from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from scpi.datasets._r_data import read_counts, read_r, single_cell_experiment, table

ORIGINALS = Path(__file__).parent / "originals"


def test_compressed_columns_and_places_are_the_same_counts():
    values, rows = np.array([2.0, 1.0, 5.0]), np.array([1, 0, 2])
    names = {"Dim": np.array([3, 2]), "Dimnames": [np.array(["a", "b", "c"]), None]}
    compressed = SimpleNamespace(x=values, i=rows, p=np.array([0, 2, 3]), **names)
    places = SimpleNamespace(x=values, i=rows, j=np.array([0, 0, 1]), **names)
    for matrix in (compressed, places):
        counts, genes = read_counts(matrix)
        np.testing.assert_array_equal(counts.toarray(), [[1, 2, 0], [0, 0, 5]])
        assert counts.dtype == np.float32
        assert counts.has_sorted_indices
        assert genes.tolist() == ["a", "b", "c"]


def test_columns_of_r_become_categories_and_numbers():
    columns = {
        "text": np.array(["b", "a"]),
        "factor": pd.Categorical(["x", "y"]),
        "flag": pd.array([True, False], dtype="boolean"),
        "whole": pd.array([3, 1], dtype="Int32"),
        "real": np.array([0.5, 2.0]),
    }
    converted = table(columns, np.array(["cell1", "cell2"]))
    assert converted.index.tolist() == ["cell1", "cell2"]
    assert [dtype.name for dtype in converted.dtypes] == ["category", "category", "bool", "int64", "float64"]
    assert converted["text"].cat.categories.tolist() == ["a", "b"]
    assert converted["whole"].tolist() == [3, 1]


def test_an_experiment_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts, genes, cells = single_cell_experiment(read_r(ORIGINALS / "example_sce.rda"))
    np.testing.assert_array_equal(counts.toarray(), [[1, 0, 2], [0, 3, 0]])
    assert genes.tolist() == ["ISG15", "TXNIP_ENSG00000117289", "ISG20"]
    assert cells.index.tolist() == ["AA-1", "CC-1"]
    assert cells["group_id"].tolist() == ["ctrl", "stim"]
