from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scvi

import scpi
from scpi._view import View
from scpi.tl._gradient_input import expression_of_model, read_input


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    adata = ad.AnnData(rng.poisson(3.0, (40, 6)).astype(np.float32))
    adata.obs["donor"] = [f"cell {i}" for i in range(40)]
    adata.obs["n"] = np.arange(40) % 3
    return adata


def read(adata, groupby=None, *, model=None, layer=None):
    return read_input(View.of(adata, layer=layer), groupby, model=model, predicted="predicted")


def add(adata, **columns):
    for name, n_groups in columns.items():
        adata.obs[name] = pd.Categorical([f"{name}{i % n_groups}" for i in range(adata.n_obs)])


@pytest.mark.parametrize(
    ("columns", "clustered", "expected"),
    [
        ({"batch": 3}, (), "batch"),  # the only one
        ({"batch": 3, "leiden": 4}, (), "leiden"),  # by custom
        ({"leiden": 4, "cell_type": 2}, (), "cell_type"),  # the most telling
        ({"batch": 3, "mine": 4}, ("mine",), "mine"),  # a tool wrote of it
        ({"batch": 3, "one": 1, "own": 40}, (), "batch"),  # one group, or one for each cell, is none
    ],
)
def test_groups_are_found_by_custom(adata, columns, clustered, expected):
    add(adata, **columns)
    for name in clustered:
        adata.uns[name] = {"params": {}}
    found = read(adata)
    assert found.groupby == expected
    assert found.labels.categories.tolist() == adata.obs[expected].cat.categories.tolist()
    assert not found.from_model


def test_where_groups_could_be_several_the_user_is_asked(adata):
    add(adata, batch=3, plate=4)
    with pytest.raises(ValueError, match="it could be 'batch', 'plate'"):
        read(adata)
    assert read(adata, "plate").groupby == "plate"
    with pytest.raises(ValueError, match="none of 'donor', 'n' looks like it"):
        read(ad.AnnData(adata.X, obs=adata.obs[["donor", "n"]]))


def test_counts_are_taken_from_the_layer_of_that_name_where_x_holds_none(adata):
    add(adata, group=2)
    adata.layers["counts"] = adata.X.copy()
    assert read(adata).view.layer is None
    adata.X = np.log1p(adata.X)
    found = read(adata)
    assert found.view.layer == "counts"
    np.testing.assert_array_equal(found.counts, adata.layers["counts"])
    assert (found.tested_layer, found.is_held_out) == ("counts", False)
    del adata.layers["counts"]
    with pytest.raises(ValueError, match="X"):
        read(adata)


def test_thinned_counts_are_tested_on_their_other_part(adata):
    add(adata, group=2)
    scpi.de.thin_counts(adata, rng=0)
    found = read(adata, layer="thinned_train")
    assert (found.tested_layer, found.is_held_out) == ("thinned_test", True)


@pytest.fixture
def model(adata):
    add(adata, group=2)
    scvi.model.LinearSCVI.setup_anndata(adata)
    return scvi.model.LinearSCVI(adata, n_latent=2)


def test_a_model_of_scvi_reads_the_genes_that_it_was_trained_on(adata, model):
    expression, layer = expression_of_model(View.of(adata), model)
    assert layer is None
    np.testing.assert_array_equal(expression, adata.X)
    with pytest.raises(ValueError, match="reads the layer None, but `layer` is 'counts'"):
        expression_of_model(View.of(adata), model, layer="counts")
    with pytest.raises(ValueError, match="it has no '5'"):
        expression_of_model(View.of(adata[:, :5].copy()), model)
    with pytest.raises(ValueError, match="their order or number differs"):
        expression_of_model(View.of(adata[:, ::-1].copy()), model)
    assert read(adata, "group", model=model).groupby == "group"
