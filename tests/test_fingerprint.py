from __future__ import annotations

import subprocess
import sys
from enum import Enum
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi._fingerprint import describe, fingerprint
from scpi._screen import _blocks
from scpi.model import MeanDelta, NoChange

X = np.arange(6.0).reshape(2, 3)


class Colour(Enum):
    RED = 1
    BLUE = 2


DIFFERENT = {
    "numbers": [1, 1.0, True, 2, "1", None, float("nan")],
    "arrays": [X, X.astype("f4"), X.T, X.ravel(), X + 1e-12],
    "text": [np.array(["a", "b"]), np.array(["ab"]), np.array(["b", "a"]), ["a", "b"]],
    "sparse": [sparse.csr_matrix(X), sparse.csr_matrix(X * 2), sparse.csr_matrix(X.T)],
    "tables": [pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]}), pd.Series([1, 2]), pd.Series(["1", None])],
    "collections": [{"a": 1, "b": 2}, {"a": 2, "b": 1}, [1, 2], [[1], 2], {1, 2}, {}],
    "code": [MeanDelta, NoChange, np.log1p, np.log],
    "others": [Colour.RED, Colour.BLUE, Path("a"), slice(1, 2), slice(1, 3)],
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_other_content_has_another_word(kind):
    words = [fingerprint(value) for value in DIFFERENT[kind]]
    assert len(set(words)) == len(words)
    assert words == [fingerprint(value) for value in DIFFERENT[kind]]
    assert all(len(word) == 32 for word in words)


def test_how_the_same_content_is_stored_does_not_matter():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(np.asfortranarray(X)) == fingerprint(X)
    assert fingerprint(sparse.csc_matrix(X)) == fingerprint(sparse.csr_matrix(X))
    assert fingerprint((1, 2)) == fingerprint([1, 2])
    assert fingerprint(np.int64(3)) == fingerprint(3)
    assert fingerprint({"a", "b", "c"}) == fingerprint({"c", "b", "a"})
    frame = pd.DataFrame({"a": pd.Categorical(["x", "y"])})
    assert fingerprint(frame) == fingerprint(frame.copy())


def test_another_process_finds_the_same_word():
    """Hashes of text by Python differ from process to process."""
    code = "from scpi._fingerprint import fingerprint; print(fingerprint({'a': {'x', 'y'}, 'b': [1.5, None]}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert shown == fingerprint({"b": [1.5, None], "a": {"y", "x"}})


def test_code_of_the_user_counts_with_its_source():
    class Mine(MeanDelta):
        """One."""

    assert "Mine" in describe(Mine)[0] and any('"""One."""' in part for part in describe(Mine)[1:])
    assert describe(MeanDelta) == ["scpi.model.baselines._mean_delta.MeanDelta"]


def test_what_cannot_be_described_is_refused():
    with pytest.raises(TypeError, match="of type generator cannot be described"):
        fingerprint({"a": (n for n in range(3))})


@pytest.mark.parametrize("make", [sparse.csr_matrix, np.asarray])
def test_a_matrix_that_is_not_in_memory_has_the_hash_of_that_in_memory(make, tmp_path, monkeypatch):
    monkeypatch.setattr(_blocks, "_BLOCK", 40)
    x = make(np.random.default_rng(0).poisson(0.6, (30, 7)).astype(np.float32))
    adata = ad.AnnData(x)
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r").X
    assert describe(backed) == describe(x)
    dask = pytest.importorskip("dask.array")
    chunks = dask.from_array(adata.to_df().to_numpy(), chunks=(8, 7)).map_blocks(make)
    assert fingerprint(chunks) == fingerprint(x)
    x[3, 2] += 1
    assert fingerprint(backed) != fingerprint(x)
