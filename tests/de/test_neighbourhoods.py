from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA

from scpi.de._neighbourhoods import _principal_components, neighbourhoods


def test_components_are_those_of_scikit_learn():
    matrix = sparse.random(200, 50, 0.2, format="csr", random_state=0)
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    scores = _principal_components(matrix, mean, 5, np.random.default_rng(0))
    expected = PCA(5).fit_transform(matrix.toarray())
    np.testing.assert_allclose(np.sort(np.abs(scores[0])), np.sort(np.abs(expected[0])), atol=1e-8)
    np.testing.assert_allclose(scores @ scores.T, expected @ expected.T, atol=1e-8)


def test_groups_are_many_small_and_of_one_type():
    rng = np.random.default_rng(0)
    types = np.repeat([0, 1, 2], [600, 300, 100])
    profile = rng.gamma(1.0, 2.0, size=(3, 200))
    depth = np.exp(0.3 * rng.normal(size=1000))
    counts = sparse.csr_matrix(rng.poisson(profile[types] * depth[:, None]))
    codes = neighbourhoods(counts, depth, size=25, rng=rng)
    assert len(np.unique(codes)) > 30
    assert max(np.unique(types[codes == code]).size for code in np.unique(codes)) == 1


def test_too_few_cells_or_genes_are_one_group():
    rng = np.random.default_rng(0)
    few = sparse.csr_matrix(rng.poisson(3.0, size=(30, 10)))
    assert not neighbourhoods(few, np.ones(30), size=25, rng=rng).any()
    one_gene = sparse.csr_matrix(rng.poisson(3.0, size=(300, 1)))
    assert not neighbourhoods(one_gene, np.ones(300), size=25, rng=rng).any()
