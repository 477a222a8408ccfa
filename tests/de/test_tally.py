from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.de._tally import genes_of, tally

N_CELLS, N_GENES, N_BINS = 300, 12, 5


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    found = rng.negative_binomial(0.5, 0.5 / (0.5 + rng.gamma(1.0, 3.0, N_GENES)), size=(N_CELLS, N_GENES))
    found[:, 1] *= 30
    found[:, 4] = 0
    found[:3] = 0
    return found


def with_zeros(counts):
    """A sparse matrix that stores some of its zeros."""
    matrix = sparse.csr_matrix(counts + 1)
    matrix.data -= 1
    return matrix


@pytest.mark.parametrize("convert", [sparse.csr_matrix, with_zeros, lambda x: sparse.csr_matrix(x.astype(np.float32))])
def test_a_tally_is_that_of_the_dense_counts(counts, convert):
    rng = np.random.default_rng(1)
    rows = rng.permutation(N_CELLS)[:200]
    bins = rng.integers(0, N_BINS, len(rows))
    matrix = convert(counts)
    genes, width = genes_of(matrix, rows)
    chosen = counts[np.ix_(rows, genes)]
    np.testing.assert_array_equal(genes, np.flatnonzero(counts[rows].any(axis=0)))
    assert 4 not in genes
    assert width == 64
    found = tally(matrix, rows, genes, bins, np.arange(1.0, N_BINS + 1), width)
    for k in range(N_BINS):
        of_bin = chosen[bins == k]
        np.testing.assert_array_equal(found.total[:, k], of_bin.sum(axis=0))
        np.testing.assert_array_equal(found.found[:, k], (of_bin > 0).sum(axis=0))
        np.testing.assert_array_equal(found.zeros[:, k], (of_bin == 0).sum(axis=0))
    above = np.array([(chosen > k).sum(axis=0) for k in range(1, width)])
    np.testing.assert_array_equal(found.above, above.T)
    row, gene = np.nonzero(chosen > width)
    assert len(row)
    np.testing.assert_array_equal(found.large[0], gene)
    np.testing.assert_array_equal(found.large[1], chosen[row, gene])
    np.testing.assert_array_equal(found.large[2], 1.0)


def test_the_other_cells_are_all_less_some(counts):
    matrix = sparse.csr_matrix(counts)
    rows = np.arange(N_CELLS)
    bins, depth = rows % N_BINS, np.arange(1.0, N_BINS + 1)
    genes, width = genes_of(matrix, rows)
    whole, part, rest = (
        tally(matrix, rows[of], genes, bins[of], depth, width) for of in ([..., slice(100), slice(100, None)])
    )
    others = whole - part
    for name in ("total", "zeros", "found", "above"):
        np.testing.assert_array_equal(getattr(others, name), getattr(rest, name))
    gene, count, weight = others.large
    np.testing.assert_array_equal(
        np.bincount(gene, weights=weight * count, minlength=len(genes)),
        np.bincount(rest.large[0], weights=rest.large[1], minlength=len(genes)),
    )


def test_few_genes_are_taken_in_the_given_order(counts):
    matrix = sparse.csr_matrix(counts)
    rows = np.arange(N_CELLS)
    genes, width = genes_of(matrix, rows)
    whole = tally(matrix, rows, genes, np.zeros(N_CELLS, dtype=np.intp), np.ones(1), width)
    taken = whole.take(np.array([3, 0]))
    np.testing.assert_array_equal(taken.total, whole.total[[3, 0]])
    # Counts of these genes are small
    assert not len(taken.large[0])
    assert taken.above.shape[1] == counts[:, genes[[3, 0]]].max() - 1


def test_cells_without_counts_have_no_genes():
    matrix = sparse.csr_matrix((4, 3))
    genes, width = genes_of(matrix, np.arange(4))
    assert len(genes) == 0
    assert width == 2
