from __future__ import annotations

import gzip

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from scpi.datasets import _read_h5ad
from scpi.datasets._read_h5ad import open_h5ad, read_rows

COUNTS = sparse.random(11, 6, density=0.5, random_state=0, data_rvs=lambda n: np.arange(1, n + 1)).astype(np.int64)
ROWS = np.array([1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1], dtype=bool)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, lambda x: x.toarray()])
@pytest.mark.parametrize("block", [1, 3, 4, 11, 100])
def test_rows_are_those_of_the_matrix(tmp_path, monkeypatch, form, block):
    monkeypatch.setattr(_read_h5ad, "BLOCK", block)
    ad.AnnData(form(COUNTS), layers={"counts": form(2 * COUNTS)}).write_h5ad(tmp_path / "a.h5ad")
    with open_h5ad(tmp_path / "a.h5ad") as stored:
        for matrix, factor in ((stored.X, 1), (stored.layers["counts"], 2)):
            for rows in (ROWS, np.ones(11, dtype=bool), np.zeros(11, dtype=bool)):
                found = read_rows(matrix, rows)
                assert isinstance(found, sparse.csr_matrix)
                assert found.dtype == np.float32
                assert found.indices.dtype == np.int32
                np.testing.assert_array_equal(found.toarray(), factor * COUNTS.toarray()[rows])


def test_a_packed_file_leaves_nothing_behind(tmp_path):
    ad.AnnData(COUNTS.tocsr()).write_h5ad(tmp_path / "a.h5ad")
    packed = tmp_path / "kept" / "a.h5ad.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress((tmp_path / "a.h5ad").read_bytes()))
    with open_h5ad(packed) as stored:
        assert stored.shape == (11, 6)
        assert len(list(packed.parent.iterdir())) == 2
    assert list(packed.parent.iterdir()) == [packed]


@pytest.mark.parametrize(
    "packed",
    [b"<html>", gzip.compress(b"<html>"), gzip.compress(bytes(range(256)) * 99)[:50]],
    ids=["web page", "packed web page", "cut off"],
)
def test_a_packed_file_that_is_none(tmp_path, packed):
    path = tmp_path / "a.h5ad.gz"
    path.write_bytes(packed)
    with pytest.raises(ValueError, match=r"a.h5ad.gz' is not a readable h5ad file .* Delete it"), open_h5ad(path):
        pass
    assert list(tmp_path.iterdir()) == [path]


def test_errors_of_the_system_are_left_as_they_are(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.h5ad.gz"
    path.write_bytes(gzip.compress(b"a"))
    monkeypatch.setattr(_read_h5ad.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"), open_h5ad(path):
        pass
    with pytest.raises(FileNotFoundError), open_h5ad(tmp_path / "none.h5ad"):
        pass
