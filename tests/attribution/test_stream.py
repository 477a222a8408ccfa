from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.attribution._stream import batches, take


@pytest.mark.parametrize(("size", "lengths"), [(4, [4, 4, 2]), (10, [10]), (100, [10])])
def test_cells_come_in_batches_of_at_most_a_size(size, lengths):
    found = list(batches(np.arange(10) + 5, size, 3))
    assert [len(batch) for batch in found] == lengths
    assert np.concatenate(found).tolist() == list(range(5, 15))


@pytest.mark.parametrize("rows", [[0, 2], [1, 2, 3], [3]])
def test_rows_that_follow_each_other_are_a_view(rows):
    x = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    np.testing.assert_array_equal(take(sparse.csr_matrix(x), np.array(rows)).toarray(), x[rows])
    taken = take(x, np.array(rows))
    np.testing.assert_array_equal(taken, x[rows])
    assert np.shares_memory(taken, x) == (rows != [0, 2])
