from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

from scpi._screen import _blocks
from scpi._screen._blocks import Transformed, blocks, row_blocks, sum_cells, take_rows, transformed
from scpi._screen._matrix import as_dense, as_matrix, is_stored

h5py = pytest.importorskip("h5py")

RNG = np.random.default_rng(0)
X = (RNG.poisson(0.5, (60, 24)) * (RNG.random((60, 24)) < 0.8)).astype(np.float32)
X[10:14] = 0
X[:, 5:8] = 0


def in_file(make, read=sparse_dataset):
    def made(folder):
        file = h5py.File(folder / "x.h5", "w")
        write_elem(file, "x", make(X))
        return read(file["x"])

    return made


def in_dask(chunks, make=None):
    def made(folder):
        array = pytest.importorskip("dask.array").from_array(X, chunks=chunks)
        return array if make is None else array.map_blocks(make)

    return made


def lazy(make):
    def made(folder):
        pytest.importorskip("dask")
        pytest.importorskip("xarray")
        ad.AnnData(make(X)).write_h5ad(folder / "a.h5ad")
        return ad.experimental.read_lazy(folder / "a.h5ad").X

    return made


STORED = {
    "csr in a file": in_file(sparse.csr_matrix),
    "csc in a file": in_file(sparse.csc_matrix),
    "array in a file": in_file(np.asarray, lambda dataset: dataset),
    "lazy csr": lazy(sparse.csr_matrix),
    "lazy csc": lazy(sparse.csc_matrix),
    "dask": in_dask((17, 24)),
    "dask of csr": in_dask((17, 24), sparse.csr_matrix),
    "dask by columns": in_dask((60, 5), sparse.csc_matrix),
    "dask of tiles": in_dask((17, 5)),
}
MEMORY = {"array": lambda folder: X.copy(), "csr": lambda folder: sparse.csr_matrix(X)}


@pytest.fixture(params=STORED)
def stored(request, tmp_path, monkeypatch):
    monkeypatch.setattr(_blocks, "_BLOCK", 90)
    return STORED[request.param](tmp_path)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_blocks_are_the_matrix(stored, axis):
    found, n_blocks = np.full(X.shape, np.nan), 0
    for block in blocks(stored, axis):
        whole = (block.rows == slice(0, 60), block.columns == slice(0, 24))
        assert any(whole) if axis is None else whole[1 - axis]
        assert type(block.values) in (np.ndarray, sparse.csr_matrix)
        assert np.isnan(found[block.rows, block.columns]).all()
        found[block.rows, block.columns] = as_dense(block.values)
        n_blocks += 1
    np.testing.assert_array_equal(found, X)
    # A chunk is not divided
    assert n_blocks > 1 or hasattr(stored, "compute")


def test_blocks_hold_about_as_many_values(tmp_path, monkeypatch):
    monkeypatch.setattr(_blocks, "_BLOCK", 50)
    for axis in (0, 1):
        sizes = [as_matrix(block.values).nnz for block in blocks(STORED["csr in a file"](tmp_path), axis)]
        largest = (X > 0).sum(1 - axis).max()
        assert max(sizes) <= 50 + largest
        assert len(sizes) >= (X > 0).sum() // (50 + largest)


@pytest.mark.parametrize("kind", MEMORY)
def test_what_is_in_memory_is_one_block_and_not_copied(kind, tmp_path):
    matrix = MEMORY[kind](tmp_path)
    (block,) = blocks(matrix, 1)
    assert block.values is matrix
    assert (block.rows, block.columns) == (slice(0, 60), slice(0, 24))


@pytest.mark.parametrize("axis", [0, 1, None])
def test_blocks_are_transformed_when_they_are_read(stored, axis):
    factor = np.arange(1.0, 61.0, dtype=np.float32)
    read = []

    def scaled(block):
        read.append(block)
        return sparse.csr_matrix(as_dense(block.values) * factor[block.rows][:, None])

    product = transformed(stored, scaled)
    assert isinstance(product, Transformed)
    assert is_stored(product)
    assert product.shape == (60, 24)
    assert read == []
    found = np.zeros(X.shape)
    for block in blocks(transformed(product, lambda block: -block.values), axis):
        found[block.rows, block.columns] = as_dense(block.values)
    np.testing.assert_array_equal(found, -X * factor[:, None])
    np.testing.assert_array_equal(as_dense(as_matrix(product)), X * factor[:, None])
    np.testing.assert_array_equal(transformed(X, lambda block: block.values[block.rows] + 1), X + 1)


def test_rows_are_taken(stored):
    rows = np.array([0, 1, 16, 17, 40, 59])
    np.testing.assert_array_equal(as_dense(take_rows(stored, rows)), X[rows])
    np.testing.assert_array_equal(take_rows(X, rows), X[rows])


def test_rows_are_read_a_few_at_a_time(stored):
    found = list(row_blocks(stored, 7))
    assert max(rows.stop - rows.start for rows, _ in found) <= 7
    np.testing.assert_array_equal(np.concatenate([as_dense(values) for _, values in found]), X)


def test_sums_of_samples_are_those_of_the_array(stored, tmp_path):
    codes = RNG.integers(-1, 3, 60)
    expected = np.stack([X[codes == sample].sum(0) for sample in range(4)])
    checked = []
    for matrix in (stored, *(make(tmp_path) for make in MEMORY.values())):
        found = sum_cells(matrix, codes, 4, check=lambda values: checked.append(values.shape) or values)
        np.testing.assert_array_equal(as_dense(found), expected)
    assert sum(n_rows * n_columns for n_rows, n_columns in checked) == 3 * X.size
