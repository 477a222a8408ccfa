from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi._screen._labels import Labelling
from scpi.screen._truth import compare_with_truth

# Three perturbations on the factors 2, 0 and 1 of a graph with the edges 0 -> 1 and 1 -> 2
LFC = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0], [3.0, 4.0, 0.0], [0.0, 2.0, 2.0]])
ADDED = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0], [3.0, 1.0, 0.0], [0.0, 2.0, 2.0]])


def make(found=("f2", "f0", "f1"), edges=(("f0", "f1", 0.9), ("f1", "f2", -0.5), ("f2", "f0", 0.1)), ranks=(1, 1, 2)):
    adata = ad.AnnData(np.ones((2, 3), dtype=np.float32))
    adata.uns["truth"] = {
        "conditions": np.array(["P", "Q", "R", "P+Q", "Q+R"], dtype=object),
        "lfc": LFC,
        "additive_lfc": ADDED,
        "graph": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]),
        "targets": pd.DataFrame({"perturbation": ["P", "Q", "R"], "factor": [2, 0, 1]}),
    }
    targets = pd.DataFrame({"perturbation": ["P", "Q", "R"], "factor": list(found)})
    adata.uns["causal_graph"] = {
        "edges": pd.DataFrame(list(edges), columns=["source", "target", "weight"]),
        "targets": targets.assign(probability=1.0, strength=1.0, entropy=0.0),
    }
    results = pd.DataFrame({"group": ["P", "Q", "R", "P"], "set": [*(f"program_{x}" for x in "PQR"), "other"]})
    adata.uns["differential_activity"] = {"results": results.assign(rank=[*ranks, 2], pval_adj=0.5)}
    return adata


def run(adata, held_out=()):
    return compare_with_truth(adata, list(held_out), labelling=Labelling.of("control", "+"))


def test_what_is_found_as_it_was_planted_has_the_best_scores():
    found = run(make())
    assert found["targets_recovered"] == 1.0
    assert found["edge_average_precision"] == 1.0
    assert (found["n_edges"], found["n_factors_used"], found["n_perturbations"]) == (2, 3, 3)
    # Two of the six possible edges
    assert found["edge_chance"] == pytest.approx(2 / 6)
    assert (found["programs_first"], found["programs_tested"]) == (2, 3)


def test_names_of_factors_do_not_matter_but_what_acts_on_them():
    other = run(make(found=("x", "y", "z"), edges=(("y", "z", 0.9), ("z", "x", -0.5))))
    assert (other["targets_recovered"], other["edge_average_precision"]) == (1.0, 1.0)
    shared = run(make(found=("f2", "f0", "f0")))
    assert shared["targets_recovered"] == pytest.approx(2 / 3)
    assert shared["n_factors_used"] == 2
    # Only the edge that was not planted is found: it is the first, and the planted ones are as likely as any
    wrong = run(make(edges=(("f2", "f0", 0.9),)))
    assert wrong["edge_average_precision"] < 0.5


@pytest.mark.parametrize(("held_out", "expected"), [((), (3 / 5 + 0) / 2), (("Q+P",), 3 / 5), (("Q+R",), 0.0)])
def test_the_error_of_adding_is_relative_to_the_change(held_out, expected):
    found = run(make(), held_out)
    assert found["additive_error"] == pytest.approx(expected)
    if held_out == ("Q+R",):
        assert found["additive_pearson"] == pytest.approx(1.0)


def test_without_combinations_adding_has_no_error():
    adata = make()
    truth = adata.uns["truth"]
    truth["conditions"], truth["lfc"], truth["additive_lfc"] = truth["conditions"][:3], LFC[:3], ADDED[:3]
    assert np.isnan(run(adata)["additive_error"])


def test_where_nothing_was_planted_there_is_nothing_to_compare():
    adata = make()
    del adata.uns["truth"]["graph"]
    assert run(adata) is None
    adata.uns["truth"] = "words"
    assert run(adata) is None


def test_a_perturbation_without_training_cells_has_no_target_to_compare():
    adata = make()
    del adata.uns["differential_activity"]
    graph = adata.uns["causal_graph"]
    graph["targets"] = graph["targets"][1:]
    found = run(adata)
    # Q and R act on the factors 0 and 1, between which is one edge of two possible ones
    assert (found["n_perturbations"], found["n_edges"], found["targets_recovered"]) == (2, 1, 1.0)
    assert (found["edge_chance"], found["edge_average_precision"]) == (0.5, 1.0)
    assert (found["programs_first"], found["programs_tested"]) == (0, 0)
