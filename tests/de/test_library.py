from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.de._library import library_sizes

COUNTS = np.array([[1, 2, 0], [0, 5, 5], [3, 0, 0], [0, 0, 4]])


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csr_array])
def test_sizes_are_sums_unless_given(convert):
    sizes = library_sizes(convert(COUNTS), None)
    assert sizes.dtype == np.float64
    assert sizes.tolist() == [3, 10, 3, 4]
    assert library_sizes(convert(COUNTS), [7, 8, 9, 10]).tolist() == [7, 8, 9, 10]


@pytest.mark.parametrize("size", [0.0, -1.0, np.nan, np.inf])
def test_every_size_is_positive(size):
    with pytest.raises(ValueError, match=r"1 sample\(s\) have no counts, such as number 2"):
        library_sizes(COUNTS, [1.0, 1.0, size, 1.0])
    with pytest.raises(ValueError, match=r"one value for each of 4 samples, but has shape \(2,\)"):
        library_sizes(COUNTS, [1.0, 1.0])
