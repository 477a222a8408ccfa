"""What needs counts finds them where `X` holds something else: every model and function, without a word."""

from __future__ import annotations

import warnings

import pytest
import torch

import scpi

from .compare import differs, leaves
from .functions import READS_COUNTS, Call, data, generators, models, tools, trained

COUNT_MODELS = [name for name in models() if getattr(scpi.model, name)._reads_counts is True]
# Functions with a choice: the one that needs counts
CHOICES = {
    "de.rank_genes-poisson": ("de.rank_genes", {"method": "poisson"}),
    "de.rank_genes-zinb": ("de.rank_genes", {"method": "zinb", "groups": ["a"]}),
    "de.pseudobulk": ("de.pseudobulk", {"func": "sum"}),
    "tl.rank_genes_gradients": ("tl.rank_genes_gradients", {}),
}
CALLS = {name: (name, {}) for name in sorted(READS_COUNTS - {"de.pseudobulk"})} | CHOICES


@pytest.fixture(autouse=True)
def quiet():
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("case", CALLS)
def test_functions_of_counts(case):
    name, options = CALLS[case]
    named, found = ((adata := data(), Call(name, adata)(layer=layer, **options)) for layer in ("counts", None))
    expected, without = (leaves({"adata": adata, "result": result}) for adata, result in (named, found))
    assert set(without) == set(expected)
    assert [key for key in expected if differs(without[key], expected[key], 1e-9)] == []


@pytest.mark.parametrize("name", COUNT_MODELS)
def test_models_of_counts(name):
    assert trained(name, data(), None).registry["setup_args"]["layer"] == "counts"


def test_the_table_has_all_of_them():
    """A layer that is described as that of the counts is found by the rule."""
    described = {
        name
        for name, function in tools().items()
        if "with the counts. If ``None``, ``adata.X`` is used, or" in " ".join((function.__doc__ or "").split())
    }
    assert described <= set(CALLS)
    assert {name.removesuffix(".generate") for name in generators()} - {"MultiTaskAE", "SENAVAE"} <= set(COUNT_MODELS)


def test_the_layer_that_was_read_is_stored():
    adata = data()
    scpi.de.thin_counts(adata, rng=0)
    scpi.de.rank_genes(adata, "group", method="poisson")
    scpi.de.limma(adata, "group", reference="b", sample_key="sample", min_cells=1)
    scpi.tl.cluster(adata, n_clusters=2, train_kwargs={"max_epochs": 1, "max_cluster_epochs": 1})
    keys = ("thinned", "rank_genes_groups", "limma", "cluster")
    assert {key: adata.uns[key]["params"].get("layer") for key in keys} == dict.fromkeys(keys, "counts")
    scpi.de.rank_genes(adata, "group")
    assert "layer" not in adata.uns["rank_genes_groups"]["params"]
