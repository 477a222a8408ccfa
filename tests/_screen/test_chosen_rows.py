from __future__ import annotations

import numpy as np
import pytest
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

from scpi._screen import _chosen_rows
from scpi._screen._chosen_rows import ChosenRows, choose_rows, column_means, some_rows
from scpi._screen._matrix import as_dense
from scpi._screen._stored_rows import by_rows

h5py = pytest.importorskip("h5py")

X = np.random.default_rng(0).poisson(0.6, (50, 7)).astype(np.float32)
ROWS = np.array([40, 3, 3, 7, 21, 49, 0, 1])


@pytest.fixture(params=["CSR", "array", "file"])
def chosen(request, tmp_path, monkeypatch):
    """The square roots of some rows of a matrix in memory or in a file."""
    monkeypatch.setattr(_chosen_rows, "_MOST", 4)
    monkeypatch.setattr(_chosen_rows, "_BLOCK", 3)
    matrix = {"CSR": sparse.csr_matrix(X), "array": X}.get(request.param)
    if matrix is None:
        file = h5py.File(tmp_path / "x.h5", "w")
        write_elem(file, "x", sparse.csr_matrix(X))
        matrix = by_rows(sparse_dataset(file["x"]))
    found = choose_rows(matrix, ROWS, np.sqrt)
    assert isinstance(found, ChosenRows) == (request.param == "file")
    return found


def test_rows_and_means_are_those_in_memory(chosen):
    expected = np.sqrt(X[ROWS])
    assert chosen.shape == expected.shape
    for index in (np.array([5, 0, 1]), slice(2, 6), slice(None)):
        np.testing.assert_array_equal(as_dense(chosen[index]), expected[index])
    np.testing.assert_allclose(column_means(chosen), expected.mean(0, dtype=float), rtol=1e-6)


def test_some_columns_are_those_in_memory(chosen):
    columns, expected = np.array([6, 0, 2]), np.sqrt(X[ROWS])
    some = chosen[:, columns]
    assert some.shape == (len(ROWS), 3)
    np.testing.assert_array_equal(as_dense(some[np.array([1, 4])]), expected[[1, 4]][:, columns])
    np.testing.assert_allclose(column_means(some), expected[:, columns].mean(0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(column_means(some[:, np.array([1])]), expected[:, [0]].mean(0, dtype=float), rtol=1e-6)


def test_rows_of_chosen_rows_are_in_memory_where_they_are_few(chosen):
    index = np.array([7, 2, 0, 1, 5])
    many, few = some_rows(chosen, index), some_rows(chosen[:, np.array([3, 1])], index[:2])
    np.testing.assert_allclose(column_means(many), np.sqrt(X[ROWS][index]).mean(0, dtype=float), rtol=1e-6)
    assert not isinstance(few, ChosenRows)
    np.testing.assert_array_equal(as_dense(few), np.sqrt(X[ROWS][index[:2]])[:, [3, 1]])


def test_columns_can_be_named_at_once():
    np.testing.assert_array_equal(choose_rows(X, ROWS, columns=np.array([1, 0])), X[ROWS][:, [1, 0]])
