from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi.model.gene_program._query import align_genes, found_weight, missing_genes

COUNTS = np.array([[1, 2, 3], [4, 0, 6]], dtype=np.float32)
GENES = ["d", "c", "x", "a"]


@pytest.fixture
def adata():
    return ad.AnnData(
        sparse.csc_matrix(COUNTS),
        obs=pd.DataFrame({"batch": ["p", "q"]}, index=["one", "two"]),
        var=pd.DataFrame(index=["a", "c", "other"]),
        layers={"doubled": 2 * COUNTS},
        obsm={"X_pca": np.ones((2, 2))},
    )


@pytest.mark.parametrize("layer", [None, "doubled"])
def test_genes_stand_in_the_order_of_the_model(adata, layer):
    aligned = align_genes(adata, GENES, layer=layer)
    values = aligned.X if layer is None else aligned.layers[layer]
    expected = np.array([[0, 2, 0, 1], [0, 0, 0, 4]]) * (1 if layer is None else 2)
    assert sparse.issparse(values)
    np.testing.assert_array_equal(values.toarray(), expected)
    assert list(aligned.var_names) == GENES
    assert list(aligned.obs["batch"]) == ["p", "q"] and "X_pca" in aligned.obsm


def test_what_is_missing_is_counted_and_marked(adata):
    aligned = align_genes(adata, GENES, layer=None)
    overlap = aligned.uns["gene_overlap"]
    assert (overlap["n_genes"], overlap["n_found"], overlap["fraction_found"]) == (4, 2, 0.5)
    assert list(overlap["missing"]) == ["d", "x"]
    assert missing_genes(aligned).tolist() == [0, 2]
    assert missing_genes(adata).tolist() == []


def test_other_identifiers_and_repeated_names_are_refused(adata):
    with pytest.raises(ValueError, match="None of the 1 genes of the model"):
        align_genes(adata, ["ENSG1"], layer=None)
    adata.var_names = ["a", "a", "b"]
    with pytest.raises(ValueError, match="must be unique"):
        align_genes(adata, ["a"], layer=None)


def test_the_weight_found_is_the_fraction_of_squares():
    weight = np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(found_weight(weight, np.array([2])), [9 / 25, 1.0, 1.0])
    np.testing.assert_allclose(found_weight(weight, np.array([], dtype=int)), 1.0)
