from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

from scpi.benchmark.splits import leave_cells_out


def test_cells_are_divided_whatever_their_labels():
    cells = ad.AnnData(np.zeros((50, 2)))
    splits = leave_cells_out(cells, n_splits=3, rng=1)
    assert [one.name for one in splits] == ["draw 1", "draw 2", "draw 3"]
    for one in splits:
        assert len(one.test) == 10 and sorted([*one.train, *one.test]) == list(range(50))
    assert set(splits[0].test) != set(splits[1].test)
    np.testing.assert_array_equal(leave_cells_out(cells, rng=1)[0].test, splits[0].test)
    (whole,) = leave_cells_out(cells, test_size=0)
    assert list(whole.train) == list(range(50)) and not len(whole.test)


@pytest.mark.parametrize("given", [{"test_size": 1}, {"test_size": -0.1}, {"n_splits": 0}])
def test_sizes_that_do_not_exist(given):
    with pytest.raises(ValueError, match="`test_size` must be from 0 to below 1 and `n_splits` at least 1"):
        leave_cells_out(ad.AnnData(np.zeros((5, 2))), **given)
