from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((3, 2), dtype=np.float32))
    adata.obsm["pathway_activity"] = np.arange(6.0).reshape(3, 2)
    adata.uns["pathway_activity"] = {"names": np.array(["a", "b"], dtype=object)}
    edges = pd.DataFrame({"source": ["f0", "f0", "f1"], "target": ["f1", "f2", "f2"], "weight": [0.1, -0.9, 0.4]})
    targets = pd.DataFrame(
        {"perturbation": ["P", "Q"], "factor": ["f0", "f2"], "probability": 1.0, "strength": 2.0, "entropy": 0.0}
    )
    adata.uns["causal_graph"] = {"edges": edges, "targets": targets}
    results = pd.DataFrame({"group": ["A", "A", "B", "B"], "set": ["a", "b", "b", "a"], "rank": [1, 2, 1, 2]})
    adata.uns["differential_activity"] = {"results": results.assign(pval_adj=[0.01, 0.2, 0.03, 0.04])}
    return adata


def test_activity_has_its_names(adata):
    frame = scpi.get.pathway_activity(adata)
    assert frame.index.tolist() == adata.obs_names.tolist()
    assert frame["b"].tolist() == [1.0, 3.0, 5.0]
    adata.obsm["mine"] = frame
    pd.testing.assert_frame_equal(scpi.get.pathway_activity(adata, key="mine"), frame)


def test_edges_come_strongest_first(adata):
    assert scpi.get.causal_graph(adata)["weight"].tolist() == [-0.9, 0.4, 0.1]
    assert scpi.get.causal_graph(adata, threshold=0.4)["weight"].tolist() == [-0.9, 0.4]
    assert scpi.get.causal_graph(adata, top_n=1)["target"].tolist() == ["f2"]
    assert adata.uns["causal_graph"]["edges"]["weight"].tolist() == [0.1, -0.9, 0.4]


def test_stable_edges(adata):
    with pytest.raises(ValueError, match="The edges have no stability: run `scpi.tl.causal_graph`"):
        scpi.get.causal_graph(adata, min_stability=0.8)
    adata.uns["causal_graph"]["edges"]["stability"] = [0.95, 0.5, 0.8]
    assert scpi.get.causal_graph(adata, min_stability=0.8)["weight"].tolist() == [0.4, 0.1]
    # The strongest of the stable edges
    assert scpi.get.causal_graph(adata, min_stability=0.8, top_n=1)["weight"].tolist() == [0.4]
    assert scpi.get.causal_graph(adata, min_stability=0.99).empty


def test_targets_are_a_copy(adata):
    targets = scpi.get.intervention_targets(adata)
    assert targets["factor"].tolist() == ["f0", "f2"]
    targets["factor"] = "changed"
    assert scpi.get.intervention_targets(adata)["factor"].tolist() == ["f0", "f2"]


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, ["Aa", "Ab", "Bb", "Ba"]),
        ({"group": "A"}, ["Aa", "Ab"]),
        ({"group": ["B"], "top_n": 1}, ["Bb"]),
        ({"top_n": 1}, ["Aa", "Bb"]),
        ({"pval_cutoff": 0.03}, ["Aa", "Bb"]),
    ],
)
def test_tests_can_be_chosen(adata, kwargs, expected):
    frame = scpi.get.differential_activity(adata, **kwargs)
    assert (frame["group"] + frame["set"]).tolist() == expected
    assert frame.index.tolist() == list(range(len(expected)))


def test_an_unknown_group_is_named(adata):
    with pytest.raises(ValueError, match="not tested: 'Z'. Tested were 'A', 'B'"):
        scpi.get.differential_activity(adata, group=["A", "Z"])


@pytest.mark.parametrize(
    ("getter", "tool"),
    [
        ("causal_graph", "causal_graph"),
        ("intervention_targets", "causal_graph"),
        ("differential_activity", "differential_activity"),
        ("pathway_activity", "pathway_activity"),
    ],
)
def test_what_is_missing_is_said(getter, tool):
    with pytest.raises(KeyError, match=f"scpi.tl.{tool}"):
        getattr(scpi.get, getter)(ad.AnnData(np.ones((1, 1), dtype=np.float32)))
