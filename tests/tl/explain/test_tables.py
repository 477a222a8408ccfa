"""Tables of an explanation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._explained._explanation import GENES, Explanation, Parts
from scpi.tl._explain._tables import fidelity_of, tables_of


class Known(Explanation):
    """Three parts of four genes, one of which is what is left."""

    def __init__(self):
        rows = np.array([[1.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 0, 0.5]])
        named = np.array([True, True, False])
        self.common = np.ones(4)
        self.change = self.common + rows.sum(axis=0)
        self.parts = {"units": Parts(["a", "b", "(rest)"], rows, np.array([1.0, 2.0, np.nan]), named, named)}

    def without(self, kind, places):
        return np.delete(self.parts[kind].contributions, places, axis=0).sum(axis=0)

    def observed(self):
        return {"units": np.array([1.0, 3.0]), GENES: np.array([0.0, 1.0, 2.0, 3.0])}

    def null(self, n, rng):
        yield {"units": np.full((n, 2), 2.0), GENES: np.full((n, 4), 1.5)}


def test_parts_are_ordered_by_what_they_carry():
    found = tables_of(Known(), list("wxyz"), [Known()], n_null=9, top_n=1, rng=np.random.default_rng(0))
    parts = found.parts
    assert parts["part"].tolist() == ["b", "a", "(rest)"]
    assert parts["share"].tolist() == pytest.approx([9 / 10.25, 1 / 10.25, 0.25 / 10.25])
    assert parts["pval"].tolist()[:2] == [0.1, 1.0]
    assert np.isnan(parts["pval"][2])
    assert parts["stability"].tolist() == [1.0, 1.0, 1.0]
    assert found.genes["pval"].tolist() == [1.0, 1.0, 0.1, 0.1]
    assert found.columns["part"].tolist() == ["(common to all)", "b", "(2 others)"]
    np.testing.assert_allclose(found.contributions.sum(axis=1), Known().change)
    # Without the first of two: 9 of 10.25, or on average 5
    assert found.fidelity["lost"].tolist() == pytest.approx([9 / 10.25])


def test_fidelity_is_the_mean_difference_of_a_kind():
    table = pd.DataFrame({"kind": ["a", "a", "b"], "lost": [0.5, 0.9, 0.0], "lost_random": [0.1, 0.5, 0.0]})
    assert fidelity_of(table, "a") == pytest.approx(0.4)
    assert np.isnan(fidelity_of(table, "c"))
