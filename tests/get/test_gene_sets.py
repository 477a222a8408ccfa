from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


def test_frame():
    adata = ad.AnnData(np.ones((2, 3)))
    adata.var_names = ["A", "B", "C"]
    scpi.tl.gene_sets(adata, {"x": ["C", "A", "Q"], "y": ["B"]}, min_size=1)
    expected = pd.DataFrame(
        {
            "set": ["x", "y"],
            "size": [2, 1],
            "total_size": pd.array([3, 1], dtype="Int64"),
            "genes": ["A;C", "B"],
        }
    )
    pd.testing.assert_frame_equal(scpi.get.gene_sets(adata), expected, check_dtype=False)
    # Sizes are those of the genes that are left
    assert scpi.get.gene_sets(adata[:, ["A", "B"]].copy())["size"].tolist() == [1, 1]


def test_own_matrix_and_missing_key():
    adata = ad.AnnData(np.ones((2, 3)))
    adata.varm["I"] = np.eye(3, 2)
    frame = scpi.get.gene_sets(adata, key="I")
    assert frame["total_size"].isna().all()
    assert frame["genes"].tolist() == ["0", "1"]
    with pytest.raises(KeyError, match="scpi.tl.gene_sets"):
        scpi.get.gene_sets(adata)
