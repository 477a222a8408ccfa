from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi._gene_sets import read_gene_sets

MEMBERSHIP = np.array([[1, 0], [1, 1], [0, 1]], dtype=bool)


@pytest.fixture
def adata():
    return ad.AnnData(np.ones((2, 3)))


@pytest.mark.parametrize(
    "form",
    [
        sparse.csr_matrix,
        sparse.csc_matrix,
        sparse.csr_array,
        np.asarray,
        lambda m: m.astype(np.float32),
        lambda m: sparse.csr_matrix(m.astype(np.int64)),
    ],
    ids=["csr", "csc", "array", "dense", "float", "int"],
)
def test_forms(adata, form):
    adata.varm["gene_sets"] = form(MEMBERSHIP)
    membership, names = read_gene_sets(adata)
    assert sparse.issparse(membership)
    assert membership.format == "csr"
    assert membership.dtype == bool
    np.testing.assert_array_equal(membership.toarray(), MEMBERSHIP)
    assert names.tolist() == ["0", "1"]
    adata.uns["gene_sets"] = {"names": np.array(["a", "b"], dtype=object)}
    assert read_gene_sets(adata)[1].tolist() == ["a", "b"]


def test_frame_names_come_first(adata):
    adata.varm["I"] = pd.DataFrame(MEMBERSHIP, columns=["x", "y"], index=adata.var_names)
    adata.uns["I"] = {"names": ["a", "b"]}
    membership, names = read_gene_sets(adata, "I")
    assert names.tolist() == ["x", "y"]
    np.testing.assert_array_equal(membership.toarray(), MEMBERSHIP)


def test_what_is_read_is_a_copy(adata):
    adata.varm["gene_sets"] = sparse.csr_matrix(MEMBERSHIP)
    membership, _ = read_gene_sets(adata)
    membership.data[:] = False
    assert adata.varm["gene_sets"].sum() == 4


def test_stored_zeros_are_no_members(adata):
    stored = sparse.csr_matrix(MEMBERSHIP.astype(float))
    stored.data[0] = 0
    adata.varm["gene_sets"] = stored
    assert read_gene_sets(adata)[0].nnz == 3


def test_errors(adata):
    adata.varm["other"] = np.ones((3, 1))
    with pytest.raises(KeyError, match="only 'other'.*tl.gene_sets"):
        read_gene_sets(adata)
    adata.varm["gene_sets"] = MEMBERSHIP * 0.5
    with pytest.raises(ValueError, match="zeros and ones"):
        read_gene_sets(adata)
    adata.varm["gene_sets"] = np.full((3, 2), np.nan)
    with pytest.raises(ValueError, match="zeros and ones"):
        read_gene_sets(adata)
    adata.varm["gene_sets"] = np.ones((3, 0))
    with pytest.raises(ValueError, match="at least one set"):
        read_gene_sets(adata)
    adata.varm["gene_sets"] = MEMBERSHIP
    adata.uns["gene_sets"] = {"names": ["a"]}
    with pytest.raises(ValueError, match="2 sets, but .* 1 names"):
        read_gene_sets(adata)
    adata.uns["gene_sets"] = {"names": ["a", "a"]}
    with pytest.raises(ValueError, match="not unique"):
        read_gene_sets(adata)
