from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.de import _sums
from scpi.de._sums import sum_rows


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("largest", [0, 1 << 21])
def test_sums_of_groups_are_those_of_the_dense_array(monkeypatch, n_jobs, largest):
    monkeypatch.setattr(_sums, "_LARGEST", largest)  # one part, or several
    rng = np.random.default_rng(0)
    x, codes = rng.poisson(0.7, (40, 9)).astype(np.float32), rng.integers(-1, 4, 40)
    found = sum_rows(sparse.csr_matrix(x), codes, 5, squares=True, n_jobs=n_jobs)
    logs = sum_rows(sparse.csr_matrix(x), codes, 5, transform=np.log1p, n_jobs=n_jobs).total
    for group in range(5):
        own = x[codes == group].astype(float)
        np.testing.assert_array_equal(found.total[group], own.sum(0))
        np.testing.assert_array_equal(found.squares[group], (own**2).sum(0))
        np.testing.assert_allclose(logs[group], np.log1p(own).sum(0), rtol=1e-6)
