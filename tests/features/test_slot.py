from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from scpi._features import FeatureTable, find_features, write_features


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((2, 1), dtype=np.float32))
    sources = {"sets": (sparse.csr_matrix([[1.0, 0], [0, 0]]), ["s", "t"]), "table": (np.array([[0.0], [1.0]]), ["x"])}
    write_features(adata, "features", ["A", "B"], sources, params={"min_size": 5, "max_size": None})
    return adata


def test_what_is_written_is_read(adata):
    found = find_features(adata, "features")
    assert found.names == ["A", "B"]
    assert {name: rows.tolist() for name, rows in found.covered().items()} == {
        "sets": [True, False],
        "table": [False, True],
    }
    assert found.features == {"sets": ["s", "t"], "table": ["x"]}
    assert adata.uns["features"]["params"] == {"min_size": 5}
    assert find_features(adata, "other") is None


def test_other_perturbations_have_no_features(adata):
    found = find_features(adata, "features").of(["B", "X", "A"])
    assert isinstance(found, FeatureTable)
    assert found.sources["sets"].toarray().tolist() == [[0, 0], [0, 0], [1, 0]]
    np.testing.assert_array_equal(found.sources["table"], [[1], [0], [0]])


def test_features_without_names_are_numbered(adata):
    del adata.uns["features"]["sources"]["sets"]["features"]
    assert find_features(adata, "features").features == {"sets": ["0", "1"], "table": ["x"]}


def test_something_else_is_refused(adata):
    adata.uns["other"] = {"a": 1}
    with pytest.raises(ValueError, match=r"holds no features of perturbations, but 'a'.*scpi.tl.perturbation_features"):
        find_features(adata, "other")
    adata.uns["features"]["sources"]["table"]["values"] = np.ones((3, 1))
    with pytest.raises(ValueError, match="source 'table' .* has 3 rows for 2 perturbations"):
        find_features(adata, "features")
