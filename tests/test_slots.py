from __future__ import annotations

import anndata
import numpy as np
import pytest

import scpi
from scpi._slots import find_layer, layer_name, read_layer, tested_layers


@pytest.fixture
def adata():
    counts = np.arange(12.0).reshape(4, 3)
    return anndata.AnnData(counts, layers={"doubled": 2 * counts})


def test_layers_are_found(adata):
    np.testing.assert_array_equal(read_layer(adata, "doubled"), 2 * adata.X)
    assert find_layer(adata, None) is adata.X
    assert (layer_name(None), layer_name("doubled")) == ("adata.X", "adata.layers['doubled']")


def test_a_layer_that_is_missing_is_named(adata):
    with pytest.raises(KeyError, match="has no 'counts', only 'doubled'"):
        find_layer(adata, "counts")
    del adata.X
    with pytest.raises(ValueError, match="`adata.X` is empty"):
        read_layer(adata, None)


def test_values_in_a_file_are_read_when_they_are_needed(adata, tmp_path):
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    assert find_layer(backed, None).shape == (4, 3)
    np.testing.assert_array_equal(read_layer(backed, None), adata.X)


def test_the_layer_for_tests_is_known_by_the_one_for_training(adata):
    scpi.de.thin_counts(adata, overdispersion=0.0, rng=0)
    scpi.de.thin_counts(adata, overdispersion=0.0, rng=0, key_added="other")
    adata.uns["params"] = {"params": "of somebody else"}
    assert tested_layers(adata) == {"thinned_train": "thinned_test", "other_train": "other_test"}
