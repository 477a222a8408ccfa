from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scpi._screen._labels import Labelling
from scpi.screen._prepare_pseudobulk import describe_profiles, prepare_profiles

LABELLING = Labelling.of("ctrl", "+")


def make(labels, shift=0.0):
    x = np.random.default_rng(0).uniform(0.1, 3.0, (len(labels), 4)).astype("f4") - np.float32(shift)
    return AnnData(x, obs=pd.DataFrame({"gene": labels}, index=[f"r{i}" for i in range(len(labels))]))


def prepare(data, **more):
    notes = []
    options = {"context_key": None, "dose_key": None, "layer": None, "halves": None, "mod": None}
    return prepare_profiles(data, perturbation_key="gene", labelling=LABELLING, notes=notes, **options | more), notes


def describe(adata, halves=None):
    return dict(describe_profiles(adata, perturbation_key="gene", labelling=LABELLING, halves=halves))


def test_labels_are_canonical_and_rows_without_one_are_left_out():
    given = make(["ctrl", "A", "B+A", None, "A+ctrl"])
    adata, notes = prepare(given)
    assert adata.obs["gene"].tolist() == ["ctrl", "A", "A+B", "A"]
    assert notes == ["1 rows without a label in 'gene' were left out."]
    np.testing.assert_array_equal(adata.X, given.X[[0, 1, 2, 4]])


def test_what_is_kept():
    given = make(["ctrl", "A", "B"])
    given.layers["log"], given.layers["other"] = given.X + 1, given.X
    given.obs["where"] = ["x", "y", "x"]
    adata, _ = prepare(given, layer="log", halves=("log", "other"), context_key="where")
    np.testing.assert_array_equal(adata.X, given.layers["log"])
    assert {"log", "other"} == set(adata.layers) - {None} and adata.obs["where"].tolist() == ["x", "y", "x"]
    with pytest.raises(KeyError, match="`dose_key` names 'dose'"):
        prepare(given, dose_key="dose")


def test_a_control_is_needed():
    with pytest.raises(ValueError, match=r"No row of `obs\['gene'\]` is labelled 'ctrl' .*with_zero_control"):
        prepare(make(["A", "B", "A+B"]))


def test_what_was_understood():
    adata, _ = prepare(make(["ctrl", "A", "B", "A+B"]))
    found = describe(adata)
    assert found["Rows"].startswith("Conditions, not cells: 4 profiles, 1 of them of the control ('ctrl').")
    assert found["Conditions"] == "2 perturbations and 1 combinations."
    assert found["Replicates"].startswith("None: one row per condition")
    assert found["Control"].startswith("One profile.") and "Values" not in found
    adata.layers["a"], adata.layers["b"] = adata.X.copy(), adata.X.copy()
    adata.layers["b"][:3] = np.nan
    assert describe(adata, ("a", "b"))["Replicates"] == "Halves of the cells ('a', 'b') of 1 of 4 rows."
    adata.X[0] = 0
    for x in (adata.X, sparse.csr_matrix(adata.X)):
        adata.X = x
        assert "Values" in (zero := describe(adata)) and "Control" not in zero


def test_replicates_and_negative_values():
    adata, _ = prepare(make(["ctrl", "ctrl", "A", "A", "A", "B"], shift=1.0))
    found = describe(adata)
    assert found["Replicates"] == "1 of 2 conditions have several rows, 3 at most, which are halved."
    assert found["Values"].startswith("Some are negative") and "Control" not in found


def test_cells_are_suspected():
    _, notes = prepare(make(["ctrl"] * 50 + ["A", "B"]))
    assert notes == [
        "Up to 50 rows have the same label: if these are cells, `scpi.screen.run_screen` is their analysis."
    ]
    assert prepare(make(["ctrl"] * 49 + ["A"]))[1] == []
