"""Fractions of a change that its parts carry."""

from __future__ import annotations

import numpy as np

from scpi._explained._explanation import shares


def test_fractions_of_parts_add_up_to_one():
    parts = np.array([[3.0, 0.0], [0.0, 4.0], [1.0, -1.0]])
    whole = parts.sum(axis=0)
    # (4, 3): products 12, 12 and 1 of 25
    np.testing.assert_allclose(shares(parts, whole), [12 / 25, 12 / 25, 1 / 25])
    assert shares(parts, np.zeros(2)).tolist() == [0.0, 0.0, 0.0]
