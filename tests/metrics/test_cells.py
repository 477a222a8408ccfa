from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.metrics._cells import as_cells, check_genes, mean_and_variance, mean_of, select_genes

X = np.random.default_rng(0).poisson(1.0, size=(9, 5)).astype(np.float32)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_moments_are_those_of_numpy(convert):
    cells = as_cells(convert(X), "real")
    mean, variance = mean_and_variance(cells)
    np.testing.assert_allclose(mean, X.mean(axis=0, dtype=float))
    np.testing.assert_allclose(variance, X.astype(float).var(axis=0, ddof=1))
    np.testing.assert_allclose(mean_of(cells), mean)


def test_a_large_mean_does_not_drown_a_small_variance():
    x = 1e6 + np.tile([[0.0], [1e-3]], (50, 1))
    _, variance = mean_and_variance(as_cells(sparse.csr_matrix(x), "real"))
    assert variance[0] == pytest.approx(x.var(ddof=1), rel=1e-6)


def test_entries_that_stand_twice_add_up_and_the_input_stays():
    twice = sparse.csr_matrix((np.array([1.0, 2.0]), np.array([1, 1]), np.array([0, 2])), shape=(1, 3))
    np.testing.assert_array_equal(as_cells(twice, "real").toarray(), [[0.0, 3.0, 0.0]])
    assert twice.nnz == 2


@pytest.mark.parametrize("genes", [[3, 1], np.array([False, True, False, True, False])])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_genes_are_chosen_by_place_or_mask(genes, convert):
    found = select_genes(convert(X), genes)
    np.testing.assert_array_equal(found.toarray() if sparse.issparse(found) else found, X[:, genes])
    assert select_genes(X, None) is X
    for wrong in ([], ["a"], [[0]]):
        with pytest.raises(ValueError, match="positions of genes or a boolean mask"):
            select_genes(X, wrong)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (X[0], r"cells x genes, but has shape \(5,\)"),
        (X[:, :0], r"shape \(9, 0\)"),
        (X[:1], r"has 1 cell\(s\), but at least 2"),
        (sparse.csr_matrix([[np.nan], [1.0]]), "NaN or infinite"),
    ],
)
def test_what_are_no_cells_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        as_cells(values, "real", min_cells=2)
    with pytest.raises(ValueError, match="`real` has 5 genes and `predicted` 4"):
        check_genes(X, X[:, :4])
