from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from scpi._components import principal_axes


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_axes_are_those_of_scikit_learn(convert):
    x = np.random.default_rng(0).poisson(2.0, (40, 7)).astype(np.float32)
    found, expected = principal_axes(convert(x), 3, seed=0), PCA(3, svd_solver="full").fit(x).components_
    np.testing.assert_allclose(np.abs(np.einsum("ij,ij->i", found, expected)), 1.0, rtol=1e-6)
    assert principal_axes(convert(x), 50, seed=0).shape == (6, 7)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("x", [np.ones((5, 1)), np.ones((1, 5)), np.zeros((5, 4)), np.tile([1.0, 0.0, 2.0], (5, 1))])
def test_no_axes_without_variance(convert, x):
    assert principal_axes(convert(x), 3, seed=0) is None
