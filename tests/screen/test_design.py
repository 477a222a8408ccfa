from __future__ import annotations

import pandas as pd
import pytest
from anndata import AnnData

from scpi._screen._labels import Labelling
from scpi.screen._design import Design, cells_by_sample, describe_design

LABELLING = Labelling.of("ctrl", "+")


def cells(**columns):
    labels = ["ctrl"] * 4 + ["A"] * 3 + ["B"] * 2 + ["A+B"]
    return AnnData(obs=pd.DataFrame({"gene": labels} | columns, index=[f"c{i}" for i in range(10)]))


def describe(adata, **keys):
    return dict(describe_design(adata, Design(perturbation_key="gene", **keys), LABELLING))


def test_a_plain_screen():
    topics = describe(cells())
    assert topics["Conditions"] == "4 control cells ('ctrl'), 2 perturbations and 1 combinations, of 1 to 3 cells."
    assert topics["Replicates"].startswith(
        "None were named (`sample_key`, --sample-key): cells are taken as independent"
    )
    assert list(topics) == ["Conditions", "Replicates"]


def test_samples_that_hold_controls_or_not():
    paired = cells(donor=["x", "x", "y", "y", "x", "x", "y", "x", "y", "y"])
    assert describe(paired, sample_key="donor")["Replicates"] == (
        "2 in 'donor' (x: 5, y: 5); 2 of them hold both control and perturbed cells. Each condition has cells in 1 to 2. In one only: A+B."
    )
    apart = cells(donor=["x", "x", "y", "y", "p", "p", "q", "r", "s", "t"])
    text = describe(apart, sample_key="donor")["Replicates"]
    assert text.startswith("7 in 'donor', of 1 to 2 cells; none holds control and perturbed cells.")
    table = cells_by_sample(apart.obs, Design(perturbation_key="gene", sample_key="donor"))
    assert table.loc["A"].to_dict() == {"p": 2, "q": 1, "r": 0, "s": 0, "t": 0, "x": 0, "y": 0}


def test_other_columns():
    adata = cells(
        guide=["n1", "n1", "n2", "n3", "a1", "a2", "a2", "b1", "b1", "ab"],
        batch=["p"] * 5 + ["q"] * 5,
        state=[0, 1] * 5,
        dose=[0.0] * 4 + [0.5, 1.0] * 3,
        depth=[100.0] * 9 + [2500.0],
    )
    keys = {"guide_key": "guide", "batch_key": "batch", "context_key": "state", "dose_key": "dose"}
    topics = describe(adata, size_factor_key="depth", **keys)
    assert topics["Guides"] == "7: 1 to 2 for each condition (median 1), 3 of the control."
    assert topics["Batches"] == "2 in 'batch' (p: 5, q: 5). Cells are compared within a batch."
    assert topics["Contexts"].startswith("2 in 'state' (0: 5, 1: 5).")
    assert topics["Doses"] == "2 in 'dose' (0.5: 3, 1.0: 3)."
    assert topics["Size factors"] == "From 100 to 2.5e+03."


@pytest.mark.parametrize(
    ("keys", "blocks"),
    [({}, None), ({"sample_key": "s"}, "s"), ({"batch_key": "b"}, "b"), ({"sample_key": "s", "batch_key": "b"}, "b")],
)
def test_cells_are_compared_within_batches_or_samples(keys, blocks):
    design = Design(perturbation_key="gene", **keys)
    assert design.blocks == blocks
    assert design.columns() == {"perturbation_key": "gene"} | keys
    assert "sample_key" not in design.setup
