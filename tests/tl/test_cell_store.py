from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr

from scpi.tl._cell_store import CellStore, cells_at_a_time

pytestmark = pytest.mark.smoke("zarr")

ROWS = np.array([1, 4, 5, 9])


def make(path):
    return CellStore(
        path,
        units=["u", "v"],
        cells=pd.Index(["c1", "c4", "c5", "c9"]),
        genes=pd.Index(["x", "y", "z"]),
        rows=ROWS,
    )


def test_batches_go_to_the_places_of_their_cells(tmp_path):
    values = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    with make(tmp_path / "store") as store:
        # A process that is killed must not leave zeros under the name of the store
        assert not (tmp_path / "store").exists()
        for unit in (1, 0):
            for rows in (ROWS[2:], ROWS[:2]):
                store.write(unit, rows, values[unit, np.isin(ROWS, rows)])
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    group = zarr.open_group(str(tmp_path / "store"), mode="r")
    np.testing.assert_array_equal(group["saliency"][:], values)
    names = {name: ad.io.read_elem(group[name]).tolist() for name in ("units", "cells", "genes")}
    assert names == {"units": ["u", "v"], "cells": ["c1", "c4", "c5", "c9"], "genes": ["x", "y", "z"]}


def test_a_store_whose_making_fails_is_removed(tmp_path):
    with pytest.raises(RuntimeError, match="broken"), make(tmp_path / "store") as store:
        store.write(0, ROWS[:1], np.ones((1, 3), dtype=np.float32))
        raise RuntimeError("broken")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_left_alone(tmp_path):
    (tmp_path / "store").write_text("mine")
    with pytest.raises(FileExistsError, match="give a new path"), make(tmp_path / "store"):
        pass
    assert (tmp_path / "store").read_text() == "mine"


def test_without_a_path_nothing_is_stored():
    with make(None) as store:
        assert store.write is None


@pytest.mark.parametrize(("n_units", "n_genes", "expected"), [(1, 1, 1024), (10, 20_000, 83), (1000, 1_000_000, 1)])
def test_chunks_hold_a_limited_number_of_values(n_units, n_genes, expected):
    assert cells_at_a_time(n_units, n_genes) == expected
