"""Input in which there is nothing, or hardly anything, to learn: every model either says so, or gives finite numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse

from .compare import leaves
from .functions import Call, data, models

NAMES = [*models(), "tl.cluster", "tl.rank_genes_gradients"]
NOTHING = {
    "zero": lambda counts: 0 * counts,
    "constant": lambda counts: 0 * counts + 3,
    "identical cells": lambda counts: np.tile(counts[:1], (len(counts), 1)),
}
# Models that normalise counts to the depth, of which one gene is all there is
OF_COMPOSITIONS = ("ContrastiveSC", "DGD", "GeneProgramAE", "SCDeepCluster", "SCZIDesk", "tl.cluster")


@pytest.fixture(autouse=True)
def quiet():
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def cells_of(counts, adata=None):
    """Data with other counts, and the logarithms that belong to them."""
    adata = data()[: len(counts), : counts.shape[1]].copy() if adata is None else adata
    adata.layers["counts"] = sparse.csr_matrix(counts)
    depth = np.maximum(counts.sum(1, keepdims=True), 1)
    adata.X = sparse.csr_matrix(np.log1p(counts / depth * 50).astype(np.float32))
    return adata


def counts():
    return data().layers["counts"].toarray()


@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_learn_from(name, kind):
    found = "zero everywhere" if kind == "zero" else "the same in all 96 cells"
    with pytest.raises(
        ValueError, match=rf"`adata\.(X|layers\['counts'\])` is {found}: there is nothing to learn from.*layer"
    ):
        Call(name, cells_of(NOTHING[kind](counts())))()


@pytest.mark.parametrize("name", NAMES)
def test_cells_and_genes_without_counts_are_read(name):
    given = counts()
    given[::8] = 0
    given[:, ::5] = 0
    adata = cells_of(given)
    result = leaves(Call(name, adata)()) | leaves({"obsm": dict(adata.obsm)})
    numbers = {key: values for key, values in result.items() if values.dtype.kind == "f"}
    assert numbers or name == "tl.rank_genes_gradients"
    assert [key for key, values in numbers.items() if not np.isfinite(values).all()] == []


@pytest.mark.parametrize("name", NAMES)
def test_one_gene(name):
    adata = cells_of(counts()[:, :1])
    if name in OF_COMPOSITIONS:
        with pytest.raises(
            ValueError, match=r"cells are all the same once they are scaled to the same depth.*size_factor_key"
        ):
            Call(name, adata)()
    elif name == "PCAShift":
        with pytest.raises(ValueError, match="cells that differ in two genes or more; 84 x 1 were given"):
            Call(name, adata)()
    else:
        assert all(
            np.isfinite(values).all() for values in leaves(Call(name, adata)()).values() if values.dtype.kind == "f"
        )


def test_a_depth_makes_one_gene_enough():
    import scpi

    adata = cells_of(counts()[:, :1])
    adata.obs["depth"] = 20.0
    options = {"n_clusters": 2, "train_kwargs": {"max_epochs": 1, "max_cluster_epochs": 1}, "n_latent": 1}
    scpi.tl.cluster(adata, "scdeepcluster", size_factor_key="depth", **options)
    assert np.isfinite(adata.obsm["X_cluster"]).all()


def test_two_cells():
    import scpi

    adata = cells_of(counts()[[0, -1]], data()[[0, -1]].copy())
    scpi.tl.cluster(adata, n_clusters=2, train_kwargs={"max_epochs": 1, "max_cluster_epochs": 1})
    assert sorted(adata.obs["cluster"]) == ["0", "1"]
    assert np.isfinite(adata.obsm["X_cluster"]).all()
    with pytest.raises(ValueError, match="1 cells are too few for 2 clusters"):
        scpi.tl.cluster(adata[:1].copy())
    with pytest.raises(ValueError, match="at least two groups of 2 cells"):
        scpi.tl.rank_genes_gradients(adata, "group")
