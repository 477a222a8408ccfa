from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from scpi.metrics._arrays import as_changes, as_result, as_sample, as_samples, centred, distance_blocks, ratio

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3))


@pytest.mark.parametrize("block_size", [1, 2, 3, 7, 100])
def test_blocks_hold_every_distance_as_often_as_it_counts(block_size):
    between = list(distance_blocks(A, B, block_size=block_size))
    assert sum(count * block.sum() for block, count in between) == pytest.approx(cdist(A, B, "sqeuclidean").sum())
    within = list(distance_blocks(A, block_size=block_size))
    full = cdist(A, A, "sqeuclidean")
    assert sum(count * block.sum() for block, count in within) == pytest.approx(full.sum())
    assert sum(count * (block > 1.0).sum() for block, count in within) == (full > 1.0).sum()
    if block_size == 100:
        np.testing.assert_allclose(between[0][0], cdist(A, B, "sqeuclidean"))
        assert (np.diag(within[0][0]) == 0).all()


def test_distances_are_not_negative():
    ones = np.full((3, 4), 1e8) + 1e-9
    assert min(block.min() for block, _ in distance_blocks(ones, ones + 1e-9)) >= 0


def test_centring_moves_both_by_the_pooled_mean():
    a, b = centred(A + 1e6, B + 1e6)
    np.testing.assert_allclose(np.concatenate([a, b]).sum(axis=0), 0, atol=1e-8)
    np.testing.assert_allclose(a - A, (b - B)[:1].repeat(7, axis=0), atol=1e-8)


def test_a_ratio_without_a_denominator_is_missing():
    found = ratio(np.array([1.0, 2.0, 0.0]), np.array([4.0, 0.0, 0.0]))
    np.testing.assert_array_equal(found, [0.25, np.nan, np.nan])
    assert np.isnan(ratio(np.array(1.0), np.array(0.0)))


def test_one_number_is_a_float():
    assert type(as_result(np.array(2.0))) is float
    np.testing.assert_array_equal(as_result(np.array([2.0])), [2.0])


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (sparse.csr_matrix(A), TypeError, "`x` is a sparse matrix"),
        (A[0], ValueError, r"two dimensions .* but has shape \(3,\)"),
        (A[:1], ValueError, r"has 1 observation\(s\), but at least 2"),
        (np.full((2, 3), np.nan), ValueError, "NaN or infinite"),
    ],
)
def test_what_is_no_sample_is_refused(values, error, message):
    with pytest.raises(error, match=message):
        as_sample(values, "x", min_rows=2)


def test_samples_and_changes_are_of_the_same_genes():
    first, second = as_samples([[1, 2]], [[3, 4], [5, 6]])
    assert first.dtype == second.dtype == np.float64
    with pytest.raises(ValueError, match="`x` has 3 features and `y` has 2"):
        as_samples(A, B[:, :2])
    with pytest.raises(ValueError, match=r"`real` has shape \(3,\) and `predicted` \(2,\)"):
        as_changes([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="vector of genes or conditions x genes"):
        as_changes(np.ones((2, 2, 2)), np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="`predicted` has NaN"):
        as_changes([1.0], [np.inf])
