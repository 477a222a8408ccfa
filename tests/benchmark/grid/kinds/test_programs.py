"""The likelihood against a direct computation."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from scpi.benchmark.grid._kinds._programs import _loglik


class Constant:
    """Predicts the same proportions for every cell, and keeps what it read."""

    def get_normalized_expression(self, adata):
        self.read = adata.layers["counts"].toarray()
        return np.tile([3.0, 1.0, 0.0, 0.0], (adata.n_obs, 1))


def test_one_half_is_read_and_the_other_is_scored():
    counts = np.random.default_rng(0).poisson([30, 10, 2, 0], (20, 4)).astype(np.float32)
    cells = ad.AnnData(np.zeros((20, 4), np.float32), layers={"counts": sparse.csr_matrix(counts)})
    model = Constant()
    found = _loglik(model, cells, "counts", np.random.default_rng(1))
    kept = counts - model.read
    assert (kept >= 0).all() and model.read.sum() / counts.sum() == pytest.approx(0.5, abs=0.06)
    parts = np.array([0.75, 0.25, 0.0, 0.0]) * (1 - 1e-3) + 1e-3 / 4
    assert found == pytest.approx((kept * np.log(parts)).sum() / kept.sum())
    np.testing.assert_array_equal(cells.layers["counts"].toarray(), counts)
