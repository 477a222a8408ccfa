"""Gene sets that a part moves."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scpi.tl._explain._sets import impact_of_sets
from scpi.tl._gene_set_impact import SetsOfGenes


def test_the_set_that_a_column_moves_comes_first():
    rng = np.random.default_rng(0)
    membership = sparse.csr_matrix(np.arange(200)[:, None] // 20 == np.arange(3))
    sets = SetsOfGenes(membership, np.array(["a", "b", "c"], dtype=object), np.zeros(200, dtype=np.intp))
    scores = rng.normal(size=(200, 2))
    scores[20:40, 0] += 2
    scores[40:60, 1] -= 2
    table = impact_of_sets(scores, ["first", "second"], sets)
    assert table["of"].tolist() == ["first"] * 3 + ["second"] * 3
    assert table["set"].tolist()[::3] == ["b", "c"]
    assert (table["qval"].to_numpy()[::3] < 1e-3).all()
    assert np.sign(table["zscore"].to_numpy()[::3]).tolist() == [1.0, -1.0]
    assert (table["n_genes"] == 20).all()
