from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.de._aggregate import aggregate

VALUES = np.array([[0.0, 2.0], [4.0, 0.0], [1.0, 6.0], [9.0, 9.0]])
CODES = np.array([0, 0, 0, -1])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize(
    ("func", "expected"),
    [("sum", [5, 8]), ("mean", [5 / 3, 8 / 3]), ("median", [1, 2]), ("count_nonzero", [2, 2])],
)
def test_values_of_a_sample(form, func, expected):
    found = aggregate(form(VALUES), CODES, 1, func, check=lambda block: block)
    found = found.toarray() if sparse.issparse(found) else found
    np.testing.assert_allclose(found, [expected])


@pytest.mark.parametrize("func", ["mean", "median", "count_nonzero"])
def test_values_are_finite(func):
    with pytest.raises(ValueError, match="missing or infinite|NaN"):
        aggregate(np.where(VALUES == 6.0, np.nan, VALUES), CODES, 1, func, check=lambda block: block)
