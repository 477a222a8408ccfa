from __future__ import annotations

import numpy as np
import pytest

from scpi.datasets._labels import conditions


def test_singles_by_themselves():
    labels, design = conditions(["A", "B"], doubles=False)
    assert labels == ["control", "A", "B"]
    np.testing.assert_array_equal(design, [[False, False], [True, False], [False, True]])


@pytest.mark.parametrize("n", [1, 2, 5])
def test_each_pair_comes_once_with_its_members(n):
    names = [f"P{i}" for i in range(n)]
    labels, design = conditions(names, doubles=True)
    assert len(labels) == len(set(labels)) == 1 + n + n * (n - 1) // 2
    for label, members in zip(labels, design, strict=True):
        assert label == ("+".join(name for name, is_in in zip(names, members, strict=True) if is_in) or "control")
    assert design.sum() == n + n * (n - 1)
