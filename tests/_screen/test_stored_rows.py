from __future__ import annotations

import numpy as np
import pytest
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

from scpi._screen import _stored_rows
from scpi._screen._blocks import sum_cells
from scpi._screen._matrix import as_dense, as_matrix, is_stored
from scpi._screen._stored_rows import StoredRows, by_rows, checked_rows, read_ahead, runs_of, shuffled_nearby

h5py = pytest.importorskip("h5py")

X = np.random.default_rng(0).poisson(0.6, (50, 7)).astype(np.float32)


def in_file(folder, matrix, read=sparse_dataset):
    file = h5py.File(folder / "x.h5", "w")
    write_elem(file, "x", matrix)
    return read(file["x"])


@pytest.fixture(params=["csr", "array", "dask"])
def stored(request, tmp_path, monkeypatch):
    monkeypatch.setattr(_stored_rows, "_RUN", 8)
    if request.param == "csr":
        return in_file(tmp_path, sparse.csr_matrix(X))
    if request.param == "array":
        return in_file(tmp_path, X, lambda dataset: dataset)
    array = pytest.importorskip("dask.array").from_array(X, chunks=(20, 7))
    return array.map_blocks(sparse.csr_matrix)


@pytest.mark.parametrize(
    "index", [[3], [0, 1, 2], [49, 0, 17, 17, 3], slice(5, 20), np.arange(50) % 7 == 0, np.arange(50)[::-1], []]
)
def test_rows_are_those_of_the_array(stored, index):
    rows = StoredRows(stored)
    index = np.array(index, dtype=int) if isinstance(index, list) else index
    np.testing.assert_array_equal(as_dense(rows[index]), X[index])
    rows.hold(np.arange(0, 50, 2))
    np.testing.assert_array_equal(as_dense(rows[index]), X[index])


class Watched:
    """A matrix that knows which rows were read."""

    def __init__(self, source):
        self.source, self.shape, self.slices = source, source.shape, []

    def to_memory(self):
        return self.source.to_memory()

    def __getitem__(self, part):
        self.slices.append((int(part.start), int(part.stop)))
        return self.source[part]


def test_rows_that_are_held_are_read_once(tmp_path, monkeypatch):
    monkeypatch.setattr(_stored_rows, "_GAP", 10)
    source = Watched(in_file(tmp_path, sparse.csr_matrix(X)))
    rows = StoredRows(source)
    held = np.array([1, 5, 12, 41, 42])
    rows.hold(held)
    # What lies between near rows is read with them; others are read by themselves
    assert source.slices == [(1, 13), (41, 43)]
    np.testing.assert_array_equal(rows[np.array([42, 1, 1])].toarray(), X[[42, 1, 1]])
    rows.hold(held)
    assert len(source.slices) == 2
    rows[np.array([1, 2])]
    assert len(source.slices) == 3


def test_rows_stand_for_the_matrix(stored):
    rows = by_rows(stored)
    assert isinstance(rows, StoredRows)
    assert by_rows(rows) is rows
    assert by_rows(X) is X
    assert is_stored(rows)
    np.testing.assert_array_equal(as_dense(as_matrix(rows)), X)
    codes = np.arange(50) % 3
    expected = np.stack([X[codes == code].sum(0) for code in range(3)])
    np.testing.assert_array_equal(as_dense(sum_cells(rows, codes, 3)), expected)


def test_what_is_stored_by_columns_is_refused(tmp_path):
    with pytest.raises(NotImplementedError, match=r"stored by columns \(CSC\).*Write it as CSR"):
        StoredRows(in_file(tmp_path, sparse.csc_matrix(X)))


def test_no_more_than_a_span_is_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(_stored_rows, "_SPAN", 8)
    monkeypatch.setattr(_stored_rows, "_RUN", 4)
    source = Watched(in_file(tmp_path, sparse.csr_matrix(X)))
    np.testing.assert_array_equal(StoredRows(source)[np.arange(0, 50, 3)].toarray(), X[::3])
    assert max(stop - start for start, stop in source.slices) <= 8


def test_all_blocks_are_checked(stored, monkeypatch):
    seen = []

    def check(values):
        seen.append(as_dense(values))
        return values

    monkeypatch.setattr("scpi._screen._blocks._BLOCK", 70)
    assert isinstance(checked_rows(stored, check), StoredRows)
    np.testing.assert_array_equal(np.concatenate(seen), X)
    assert checked_rows(X, lambda values: values + 1)[0, 0] == X[0, 0] + 1


def test_parts_are_read_before_they_are_given(tmp_path):
    source = Watched(in_file(tmp_path, sparse.csr_matrix(X)))
    rows = StoredRows(source)
    parts = np.array_split(np.arange(50), 10)
    for part, given in zip(parts, read_ahead(rows, parts, 20), strict=True):
        np.testing.assert_array_equal(part, given)
        np.testing.assert_array_equal(rows[given].toarray(), X[part])
    assert source.slices == [(0, 20), (20, 40), (40, 50)]
    assert list(read_ahead(X, parts)) == parts


def test_cells_between_two_ends_are_of_few_runs():
    cells = np.arange(0, 200, 2)
    assert [len(run) for run in runs_of(cells, 20)] == [10] * 10
    order = shuffled_nearby(cells, np.random.default_rng(0), run=20, ends=[30, 60])
    np.testing.assert_array_equal(np.sort(order), cells)
    for together in np.split(order, [30, 60]):
        assert len(np.unique(together // 20)) <= 4
        assert (np.diff(together) < 0).any()


def test_to_check_what_is_stored_by_columns_it_is_read(tmp_path):
    rows = checked_rows(in_file(tmp_path, sparse.csc_matrix(X)), lambda values: values)
    assert type(rows) is sparse.csr_matrix
    np.testing.assert_array_equal(rows.toarray(), X)
