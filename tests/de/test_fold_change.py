from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi._groups import other_mean
from scpi.de._fold_change import log2_fold_changes, mean_counts


@pytest.mark.parametrize("base", [None, np.e, 2.0])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_are_those_of_the_counts(convert, base, dtype):
    rng = np.random.default_rng(0)
    counts, codes = rng.poisson(2.0, (20_000, 3)).astype(float), rng.integers(-1, 4, 20_000)
    values = counts if base is None else np.log1p(counts) / np.log(base)
    means = [mean_counts(convert(values.astype(dtype)), codes, 4, log_base=base, n_jobs=n_jobs) for n_jobs in (1, 3)]
    np.testing.assert_array_equal(*means)
    expected = [counts[codes == group].mean(axis=0) for group in range(4)]
    np.testing.assert_allclose(means[0], expected, rtol=1e-6 if dtype is np.float32 else 1e-12)


def test_fold_changes_are_hand_made():
    mean, size = np.array([[1.0, 0.0], [3.0, 4.0], [7.0, 4.0]]), np.array([10, 10, 30])
    fold, average = log2_fold_changes(mean, size, reference=0, pseudocount=1.0)
    np.testing.assert_allclose(fold[1:], [[1.0, np.log2(5)], [2.0, np.log2(5)]])
    np.testing.assert_allclose(average[1:], [[1.5, np.log2(5) / 2], [2.0, np.log2(5) / 2]])
    np.testing.assert_allclose(other_mean(mean, size, None)[0], [(30 + 210) / 40, 4.0])
    assert np.isinf(log2_fold_changes(mean, size, reference=0, pseudocount=0.0)[0][1, 1])


def test_the_mean_of_the_others_keeps_its_digits_beside_a_large_group():
    mean, size = np.array([[1e20], [1e-3], [3e-3]]), np.array([5, 10, 10])
    np.testing.assert_allclose(other_mean(mean, size, None)[0], [2e-3], rtol=1e-12)
