from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.benchmark import ModelSpec
from scpi.benchmark._data_words import DataWords

SETUP = {"perturbation_key": "perturbation", "control": "control", "context_key": None}
SPECS = {
    "plain": ModelSpec(model=scpi.model.NoChange),
    "counts": ModelSpec(model=scpi.model.NoChange, layer="counts"),
    "batch": ModelSpec(model=scpi.model.NoChange, setup={"batch_key": "batch"}),
}


def make():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"perturbation": ["control", "P"] * 3, "batch": list("aabbcc"), "other": range(6)}, dtype=object)
    adata = ad.AnnData(rng.normal(size=(6, 4)).astype("f4"), obs=obs.set_axis([f"c{i}" for i in range(6)]))
    adata.layers["counts"] = rng.poisson(2, (6, 4)).astype("f4")
    adata.varm["gene_sets"] = np.eye(4)[:, :2]
    adata.uns["perturbation_features"] = {"names": np.array(["P"]), "sources": {"a": {"values": np.ones((1, 2))}}}
    return adata


def words(adata):
    return {name: DataWords(adata, SETUP, None).of(spec) for name, spec in SPECS.items()}


def change(adata, what):
    if what == "x":
        adata.X[0, 0] += 1
    elif what == "counts":
        adata.layers["counts"][0, 0] += 1
    elif what == "gene_sets":
        adata.varm["gene_sets"][0, 0] = 0
    elif what == "features":
        adata.uns["perturbation_features"]["sources"]["a"]["values"][0, 0] = 2
    elif what == "genes":
        adata.var_names = [f"other{i}" for i in range(4)]
    else:
        adata.obs.iloc[0, list(adata.obs).index(what)] = "changed"


@pytest.mark.parametrize(
    ("what", "concerned"),
    [
        ("x", {"plain", "counts", "batch"}),
        ("counts", {"counts"}),
        ("perturbation", {"plain", "counts", "batch"}),
        ("batch", {"batch"}),
        ("gene_sets", {"plain", "counts", "batch"}),
        ("features", {"plain", "counts", "batch"}),
        ("genes", {"plain", "counts", "batch"}),
        ("other", set()),
    ],
)
def test_a_model_is_concerned_by_what_it_reads_alone(what, concerned):
    adata = make()
    before = words(adata)
    assert before == words(make())
    change(adata, what)
    after = words(adata)
    assert {name for name in SPECS if before[name] != after[name]} == concerned
