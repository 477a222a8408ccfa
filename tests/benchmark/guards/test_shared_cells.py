"""Copies of cells, exact and near, against what chance and counting noise make."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.benchmark._guards._shared_cells import copies_of, counting_noise, near_neighbours, surprises


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    return rng.poisson(rng.gamma(1.0, 2.0, 100), (300, 100)).astype("f4")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_copies_are_found_with_their_originals(counts, kind):
    counts[[3, 5]] = counts[[200, 250]]
    found = copies_of(kind(counts), np.arange(100), np.arange(100, 300))
    np.testing.assert_array_equal(found, [[3, 5], [200, 250]])


def test_cells_with_few_counts_are_alike_by_chance():
    rng = np.random.default_rng(0)
    x = (rng.random((2000, 20)) < 0.08).astype("f4")
    same = {tuple(row) for row in x[:1000]} & {tuple(row) for row in x[1000:]}
    assert len(same) > 20
    assert not len(copies_of(x, np.arange(1000), np.arange(1000, 2000))[0])


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_surprise_is_the_probability_of_independent_genes(kind):
    x = np.array([[0, 1], [0, 2], [3, 1], [0, 1]], dtype="f4")
    expected = -np.log([0.75 * 0.75, 0.75 * 0.25, 0.25 * 0.75])
    np.testing.assert_allclose(surprises(kind(x), np.array([0, 1, 2])), expected, rtol=1e-6)


def test_counting_noise_is_one_for_independent_draws_and_little_for_copies(counts):
    rng = np.random.default_rng(1)
    rate = np.full(4000, 4.0)
    draws = rng.poisson(rate, (2, 4000)).astype("f4")
    copy = rng.binomial(draws[0].astype(int), 0.9)
    x = np.stack([*draws, copy, np.r_[np.ones(10), np.zeros(3990)]])
    found = counting_noise(x, np.array([0, 0, 3]), np.array([1, 2, 3]))
    assert found[0] == pytest.approx(1.0, abs=0.1)
    # Of n counts, 10 % are missing: the square of n / 10, and its variance of 0.09 n, over 1.9 n
    assert found[1] == pytest.approx((0.01 * 20 + 0.09 * 4) / (1.9 * 4), abs=0.02)
    assert np.isinf(found[2])


def test_counting_noise_reads_logarithms_as_counts():
    rng = np.random.default_rng(0)
    x = rng.poisson(3.0, (2, 500)).astype(float)
    logs = np.log1p(x / x.sum(1, keepdims=True) * 1e4)
    pair = np.array([0]), np.array([1])
    np.testing.assert_allclose(counting_noise(logs, *pair), counting_noise(x, *pair), rtol=1e-9)


def test_near_neighbours_are_closer_than_all_others(counts):
    rng = np.random.default_rng(2)
    logs = np.log1p(counts)
    logs[7] = logs[222] + rng.normal(0, 0.01, 100)
    logs[8] = logs[223]
    near, beside = near_neighbours(logs, np.arange(100), np.arange(100, 300), rng)
    assert (near.tolist(), beside.tolist()) == ([7], [222])
    assert not len(near_neighbours(logs, np.arange(3), np.arange(3, 9), rng)[0])
