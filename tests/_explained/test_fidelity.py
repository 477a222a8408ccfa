"""Deletion curves of parts that add up."""

from __future__ import annotations

import numpy as np

from scpi._explained._fidelity import deletion_curve


class Additive:
    """A change of orthogonal parts of known sizes."""

    def __init__(self, sizes):
        self.parts = np.diag(np.asarray(sizes, dtype=float))

    def without(self, kind, places):
        return np.delete(self.parts, places, axis=0).sum(axis=0)


def test_the_largest_parts_lose_most():
    sizes = np.sqrt([8.0, 4.0, 1.0, 1.0, 1.0, 1.0])
    curve = deletion_curve(Additive(sizes), "a", np.arange(6), np.random.default_rng(0))
    assert curve["n_removed"].tolist() == [1, 2, 5]
    np.testing.assert_allclose(curve["lost"], [8 / 16, 12 / 16, 15 / 16])
    assert (curve["lost"] > curve["lost_random"]).all()
    # Any five of six leave one: 1 - (the mean of the others' fractions), up to the draws
    assert abs(curve["lost_random"].iloc[-1] - 5 / 6) < 0.15


def test_nothing_is_lost_of_nothing():
    assert deletion_curve(Additive(np.zeros(4)), "a", np.arange(4), np.random.default_rng(0)).empty
    assert deletion_curve(Additive([1.0]), "a", np.arange(1), np.random.default_rng(0)).empty
