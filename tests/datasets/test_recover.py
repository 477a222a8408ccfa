from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from scipy import sparse

from scpi.datasets._recover import recover_counts


@pytest.fixture(scope="module")
def pbmc():
    return sc.datasets.pbmc68k_reduced()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip_of_exact_values(dtype):
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.3, 3.0, size=200), size=(50, 200))
    counts[:, 0] = 1
    counts[7] = 0
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    logged = sparse.csr_matrix(np.log1p(counts / totals * 1e4).astype(dtype))
    before = logged.copy()
    recovered = recover_counts(logged)
    assert recovered.dtype == np.float32
    np.testing.assert_array_equal(recovered.toarray(), counts)
    assert (logged != before).nnz == 0


def test_pbmc_counts_are_the_published_ones(pbmc):
    """The total counts that come with the cells were not used, so that they prove the recovery."""
    logged = pbmc.raw.X.toarray().astype(np.float64)
    counts = recover_counts(pbmc.raw.X).toarray()
    again = np.log1p(counts * (1e4 / pbmc.obs["n_counts"].to_numpy()[:, None]))
    # The values were stored with three decimals
    assert np.abs(again - logged).max() < 1.1e-3
    assert np.median(np.abs(again - logged)[logged > 0]) < 3e-4
    assert (counts == np.round(counts)).all()
    assert counts.sum() == 486_651


def test_other_values_are_refused(pbmc):
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="not log-normalised counts"):
        recover_counts(sparse.csr_matrix(rng.gamma(2.0, size=(20, 30))))
    with pytest.raises(ValueError, match="non-negative"):
        recover_counts(sparse.csr_matrix(pbmc.X[:5]))
