from __future__ import annotations

import numpy as np
import pytest

from scpi._sequence import as_list


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ("A+B", ["A+B"]),
        ("rep", ["rep"]),
        (5, [5]),
        (np.int64(5), [5]),
        (("a", "b"), ["a", "b"]),
        (np.array(["a", "b"]), ["a", "b"]),
        (("A", "B"), ["A", "B"]),
        (0, [0]),
        (np.float64(0.5), [0.5]),
        (np.array([1, 2]), [1, 2]),
        (np.array(3), [3]),
        ({"a": 1}, ["a"]),
        ([], []),
        ((name for name in "ab"), ["a", "b"]),
    ],
)
def test_one_item_or_several(value, items):
    assert as_list(value) == items
