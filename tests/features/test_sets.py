from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._features._sets import features_of_edges, features_of_sets

SETS = {"small": ["A", "B"], "large": ["A", "B", "C", "D", "E"], "other": ["E", "F"], "huge": list("ABCDEFGH")}


def test_sets_count_by_the_logarithm_of_genes_per_member():
    values, names = features_of_sets(["A", "C", "X"], SETS, min_size=2, max_size=5, case="auto")
    assert names == ["small", "large"]
    # Eight genes in all, those of sets that are too large included
    small, large = np.log1p(8 / 2), np.log1p(8 / 5)
    length = np.hypot(small, large)
    np.testing.assert_allclose(values.toarray(), [[small / length, large / length], [0, 1], [0, 0]], rtol=1e-6)


def test_sizes_are_those_of_the_source_not_of_the_perturbed_genes():
    _, names = features_of_sets(["A"], SETS, min_size=3, max_size=None, case="auto")
    assert names == ["large", "huge"]
    with pytest.raises(ValueError, match=r"None of the 4 gene sets has from min_size=9 to max_size=None genes.*2 to 8"):
        features_of_sets(["A"], SETS, min_size=9, max_size=None, case="auto")
    with pytest.raises(ValueError, match="No gene of the data is in any gene set"):
        features_of_sets(["X1"], SETS, min_size=1, max_size=None, case="auto")


def test_neighbours_are_similar_and_direction_does_not_matter():
    edges = pd.DataFrame({"from": ["A", "C", "B", "E"], "to": ["B", "B", "A", "F"]})
    values, nodes = features_of_edges(["A", "B", "C", "E", "X"], edges, case="auto")
    assert nodes == ["A", "B", "C", "E", "F"]
    similar = (values @ values.T).toarray()
    # A and C share B; degrees with the node itself: A 2, B 3, C 2
    hub, leaf = np.log1p(5 / 3), np.log1p(5 / 2)
    np.testing.assert_allclose(similar[0, 2], hub**2 / (hub**2 + leaf**2), rtol=1e-6)
    assert similar[0, 1] > similar[0, 2] > similar[0, 3] == 0
    assert similar[4].tolist() == [0] * 5


def test_weights_of_edges():
    edges = pd.DataFrame({"a": ["A", "A", "B"], "b": ["B", "C", "D"], "w": [1.0, 0.1, 1.0]})
    values, nodes = features_of_edges(["A"], edges, case="auto")
    row = dict(zip(nodes, values.toarray()[0], strict=True))
    assert row["B"] > row["C"] > 0
    assert "D" not in row
    for wrong in (edges.assign(w=-1.0), edges.assign(w="x")):
        with pytest.raises(ValueError, match="weights of edges, column 'w'"):
            features_of_edges(["A"], wrong, case="auto")
    with pytest.raises(ValueError, match=r"two columns.*shape \(3, 1\)"):
        features_of_edges(["A"], edges[["a"]], case="auto")
