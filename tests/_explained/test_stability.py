"""Agreement of explanations by models of several seeds."""

from __future__ import annotations

import numpy as np

from scpi._explained._explanation import Parts
from scpi._explained._stability import part_stability, sign_stability


def parts(names, rows):
    rows, yes = np.asarray(rows, dtype=float), np.ones(len(names), dtype=bool)
    return Parts(list(names), rows, np.ones(len(names)), yes, yes)


def test_parts_are_compared_by_name_or_matched():
    first = parts("ab", [[1, 0], [0, 2]])
    swapped = parts("ab", [[0, 1], [3, 0]])
    assert part_stability(first, [swapped], by_name=True).tolist() == [0.0, 0.0]
    assert part_stability(first, [swapped], by_name=False).tolist() == [1.0, 1.0]
    np.testing.assert_allclose(part_stability(first, [first, parts("b", [[0, -1]])], by_name=True), [0.5, 0.0])
    assert np.isnan(part_stability(first, [], by_name=True)).all()


def test_signs_of_genes():
    change = np.array([1.0, -1.0, 2.0])
    others = [np.array([2.0, 1.0, 1.0]), np.array([0.5, -3.0, -1.0])]
    assert sign_stability(change, others).tolist() == [1.0, 0.5, 0.5]
    assert np.isnan(sign_stability(change, [])).all()
