from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi._features._expression import changes_of, features_of_coexpression, features_of_screen, gene_components


@pytest.fixture
def controls():
    """Cells with two hidden factors, of two genes each, and a gene that never varies."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(300, 2)) * [3.0, 2.0]
    x = np.stack([factors[:, 0], 2 * factors[:, 0], factors[:, 1], -factors[:, 1], np.zeros(300)], axis=1)
    return x - x.min(0) + np.array([0, 0, 0, 0, 1.0])


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_loadings_are_correlations_with_the_components(controls, convert):
    found = gene_components(convert(controls), 2)
    expected = [[1, 0], [1, 0], [0, 1], [0, 1], [0, 0]]
    np.testing.assert_allclose(np.abs(found), expected, atol=0.12)
    np.testing.assert_allclose(np.square(found[:4]).sum(1), 1, atol=1e-6)


def test_genes_of_one_factor_are_similar(controls):
    values, names = features_of_coexpression(
        ["G0", "G1", "G2", "G3", "X"], [f"G{i}" for i in range(5)], controls, n_components=2, case="auto"
    )
    assert names == ["PC1", "PC2"]
    similar = values @ values.T
    np.testing.assert_allclose(similar[0, 1], 1, atol=1e-5)
    np.testing.assert_allclose(similar[2, 3], -1, atol=1e-5)
    assert abs(similar[0, 2]) < 0.2
    assert not values[4].any()


def test_what_cannot_be_learned_is_said(controls):
    with pytest.raises(ValueError, match="20 control cells or more, but there are 5"):
        gene_components(controls[:5], 2)
    with pytest.raises(ValueError, match="do not differ"):
        gene_components(np.ones((30, 3)), 2)


def test_changes_of_a_screen_are_differences_of_means():
    x = np.array([[1.0, 2], [3, 2], [5, 5], [7, 9], [0, 0], [1, 1]])
    screen = ad.AnnData(x, obs={"perturbation": ["control", "control", "A", "A", "A+B", "B"]})
    found = changes_of(screen, perturbation_key="perturbation")
    assert found.index.tolist() == ["A", "B"]
    np.testing.assert_allclose(found, [[4, 5], [-1, -1]])


def test_perturbations_are_as_similar_as_their_deviations_in_the_other_screen():
    changes = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 9)), index=list("ABCDEF"))
    values, _ = features_of_screen(["C", "X", "A"], changes, what="it", n_components=50, case="auto")
    centred = (changes - changes.mean()).to_numpy()
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose((values @ values.T)[0, 2], unit[2] @ unit[0], atol=1e-5)
    assert not values[1].any()
    few, names = features_of_screen(["C"], changes, what="it", n_components=2, case="auto")
    assert names == ["PC1", "PC2"]
    assert few.shape == (1, 2)
