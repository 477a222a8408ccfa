from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((2, 1), dtype=np.float32))
    results = pd.DataFrame({"perturbation": list("ABCD"), "strength": [1.0, 0.0, 3.0, 2.0]})
    results["has_effect"] = results["strength"] > 0
    pairs = dict.fromkeys(("similarity", "similarity_low", "similarity_high"), np.array([0.9, -0.5, 0.1]))
    pairs |= dict.fromkeys(("pval", "pval_adj"), np.array([0.2, 0.01, 0.9]))
    adata.uns["perturbation_similarity"] = {"results": results, "pairs": pairs}
    return adata


def test_pairs_are_those_of_perturbations_with_an_effect(adata):
    pairs = scpi.get.perturbation_similarity(adata)
    assert (pairs["perturbation"] + pairs["other"]).tolist() == ["AD", "AC", "CD"]
    assert pairs["similarity"].tolist() == [-0.5, 0.9, 0.1]
    assert pairs.index.tolist() == [0, 1, 2]


def test_the_pairs_of_a_perturbation_name_the_others(adata):
    pairs = scpi.get.perturbation_similarity(adata, perturbation="C")
    assert pairs["perturbation"].tolist() == ["C", "C"] and pairs["other"].tolist() == ["A", "D"]
    assert pairs["similarity"].tolist() == [0.9, 0.1]


def test_the_matrix_has_all_perturbations(adata):
    matrix = scpi.get.perturbation_similarity(adata, output="matrix")
    expected = [[1, np.nan, 0.9, -0.5], [np.nan] * 4, [0.9, np.nan, 1, 0.1], [-0.5, np.nan, 0.1, 1]]
    np.testing.assert_array_equal(matrix, expected)
    assert matrix.index.tolist() == matrix.columns.tolist() == list("ABCD")


def test_the_strongest_perturbation_comes_first(adata):
    assert scpi.get.perturbation_similarity(adata, output="perturbations")["perturbation"].tolist() == list("CDAB")
    assert adata.uns["perturbation_similarity"]["results"]["perturbation"].tolist() == list("ABCD")


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"key": "x"}, KeyError, "no result of `scpi.tl.perturbation_similarity` under 'x'"),
        ({"output": "square"}, ValueError, "must be 'pairs', 'matrix' or 'perturbations', but is 'square'"),
        ({"perturbation": "Z"}, ValueError, "no perturbation 'Z', only 'A', 'B'"),
        ({"perturbation": "B"}, ValueError, "effect of 'B' does not exceed noise.* Compared were 'A', 'C', 'D'"),
        ({"perturbation": "A", "output": "matrix"}, ValueError, "`perturbation` chooses pairs"),
    ],
)
def test_bad_input_is_explained(adata, kwargs, error, message):
    with pytest.raises(error, match=message):
        scpi.get.perturbation_similarity(adata, **kwargs)
