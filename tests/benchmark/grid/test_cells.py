from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc

import scpi
from scpi.benchmark.grid import GridData, _cells
from scpi.benchmark.grid._cells import prepare_cells, read_cells, read_labels, source_word
from scpi.benchmark.grid._contents import Contents
from scpi.benchmark.grid._folder import Folder

SMALL = {"n_perturbations": 2, "n_cells": 10, "n_control": 20, "n_decoy_sets": 0}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "out")


def test_what_is_simulated_is_made_once(folder, monkeypatch):
    data = GridData(simulator="plant_screen", seed=3, arguments=SMALL)
    adata = read_cells(data, "word", folder)
    expected = scpi.datasets.plant_screen(**SMALL, rng=3)
    assert (adata.X != expected.X).nnz == 0 and adata.obs.astype(str).equals(expected.obs.astype(str))
    assert [path.name for path in folder.data.iterdir()] == ["word.h5ad"]
    monkeypatch.setattr(_cells, "_called", None)
    assert read_cells(data, "word", folder).obs.equals(adata.obs)
    assert prepare_cells(data, "word", folder) == folder.data / "word.h5ad"


def test_counts_are_normalised_as_scanpy_does(folder):
    data = GridData(simulator="plant_screen", seed=0, arguments=SMALL, normalise=True)
    adata = read_cells(data, "word", folder)
    expected = scpi.datasets.plant_screen(**SMALL, rng=0)
    assert (adata.layers["counts"] != expected.X).nnz == 0
    sc.pp.normalize_total(expected, target_sum=1e4)
    sc.pp.log1p(expected)
    np.testing.assert_allclose(adata.X.toarray(), expected.X.toarray(), rtol=1e-6)
    adata.write_h5ad(folder.root / "logs.h5ad")
    with pytest.raises(ValueError, match="Leave out `normalise`"):
        read_cells(GridData(file=folder.root / "logs.h5ad", normalise=True), "", folder)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_labels_are_read_without_expression(folder, tmp_path, suffix):
    adata = scpi.datasets.plant_screen(**SMALL)
    getattr(adata, f"write_{suffix}")(tmp_path / f"cells.{suffix}")
    labels = read_labels(GridData(file=tmp_path / f"cells.{suffix}"), "", folder)
    assert labels.X is None and list(labels.obs["perturbation"]) == list(adata.obs["perturbation"])
    assert not folder.root.exists()


def test_a_source_has_a_word_for_all_that_it_depends_on(tmp_path, monkeypatch):
    contents = Contents(tmp_path / "contents.json")

    def word(**changes):
        return source_word(
            GridData(**({"simulator": "plant_screen", "seed": 0, "arguments": SMALL} | changes)), contents
        )

    assert word() == word()
    (tmp_path / "design.csv").write_text("one", encoding="utf-8")
    named = {"arguments": {"design": str(tmp_path / "design.csv")}}
    first = word(**named)
    (tmp_path / "design.csv").write_text("two", encoding="utf-8")
    assert len({word(), word(seed=1), word(arguments={}), first, word(**named)}) == 5
    # A function of one's own is what its source says
    (tmp_path / "own_data.py").write_text("def load():\n    return 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert word(simulator=None, seed=None, loader="own_data:load", arguments={}) != word()
