from __future__ import annotations

import errno
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from scpi._screen._turned import Turned, even_ends

X = np.random.default_rng(0).poisson(0.4, (30, 11)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", [1, 20, 1000])
@pytest.mark.parametrize("make", [sparse.csr_matrix, np.asarray])
def test_blocks_along_one_axis_are_read_along_the_other(axis, size, make):
    along, across = X.shape[axis], X.shape[1 - axis]
    with Turned(X.shape, axis) as turned:
        for start in range(0, across, 4):
            turned.add(start, make(X[start : start + 4] if axis else X[:, start : start + 4]))
        parts = list(turned.parts(size))
    assert [part.start for part, _ in parts] == [0, *(part.stop for part, _ in parts[:-1])]
    assert parts[-1][0].stop == along
    assert all(values.has_canonical_format and values.dtype == np.float32 for _, values in parts)
    assert {values.format for _, values in parts} == {"csc" if axis else "csr"}
    found = np.concatenate([values.toarray() for _, values in parts], axis=axis)
    np.testing.assert_array_equal(found, X)


def test_a_full_disk_is_named():
    def full(values):
        raise OSError(errno.ENOSPC, "No space left on device")

    turned = Turned((3, 2), 1)
    turned._file.close()
    turned._file = SimpleNamespace(write=full, tell=lambda: 0)
    with pytest.raises(OSError, match="no room for the values in another order.*TMPDIR"):
        turned.add(0, sparse.csr_matrix(np.eye(3, 2)))


@pytest.mark.parametrize(
    ("total", "ends"),
    [([3, 3, 9, 10, 30, 31], [4, 5, 6]), ([0, 0, 0, 0, 0, 0], [6]), ([10, 20, 30, 40, 50, 60], [1, 2, 3, 4, 5, 6])],
)
def test_ends_divide_values_evenly(total, ends):
    assert even_ends(np.arange(1, 7), np.array(total), 10) == ends
