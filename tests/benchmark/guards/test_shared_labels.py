"""Labels that mean the same, and those that do not; conditions that are left out in part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scpi.benchmark import audit_leaks, splits
from scpi.benchmark._guards._audited import Stratum
from scpi.benchmark._guards._shared_labels import loosely

SINGLES = {"stat1", "jak2", "a", "b"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("STAT1+JAK2", "JAK2+STAT1"),
        ("STAT1+JAK2", "stat1 + jak2"),
        ("STAT1_JAK2", "JAK2+STAT1"),
        ("STAT1|JAK2", "JAK2;STAT1"),
        ("STAT1+ctrl", "STAT1"),
        ("control+STAT1", "Stat1"),
        ("HLA-A", "HLAA"),
        ("unperturbed+STAT1", "STAT1"),
        ("Compound A", "compound-A"),
    ],
)
def test_spellings_of_one_condition(first, second):
    assert loosely(first, SINGLES) == loosely(second, SINGLES)


@pytest.mark.parametrize(
    ("first", "second"),
    [("ZAP70_1", "ZAP70_2"), ("A_10+B_1", "A_1+B_10"), ("A+B", "A"), ("WT1", "A"), ("drug 1", "drug 10")],
)
def test_conditions_that_differ(first, second):
    assert loosely(first, SINGLES) != loosely(second, SINGLES)


def test_own_names_of_controls_are_left_out():
    assert loosely("A+SAFE", SINGLES, ["SAFE"]) == ("a",)
    assert loosely("SAFE", SINGLES, ["SAFE"]) == ("safe",)


def test_order_within_a_label_is_told_with_both_spellings(adata, split):
    own = adata.obs["perturbation"].astype(str).to_numpy().astype(object)
    label = next(one for one in own[split.test] if "+" in one)
    cells = split.test[own[split.test] == label]
    turned = "+".join(label.split("+")[::-1])
    own[cells[:8]] = turned
    adata.obs["perturbation"] = own
    leaky = replace(split, test=np.setdiff1d(split.test, cells[:8]), train=np.union1d(split.train, cells[:8]))
    found = audit_leaks(adata, leaky).set_index("kind")
    expected = f"1 of 11 test conditions: {label!r} is written {turned!r} in training."
    assert found.loc["other spelling in training", "evidence"] == expected
    assert "condition on both sides" not in found.index


def test_few_cells_of_all_conditions_in_training_are_a_leak_and_half_of_them_are_not(adata):
    few, many = (splits.random_cells(adata, n_splits=1, test_size=size)[0] for size in (0.9, 0.5))
    assert audit_leaks(adata, few)["kind"].unique().tolist() == ["condition on both sides"]
    assert audit_leaks(adata, many).empty


def test_a_condition_of_another_context_is_no_leak(adata):
    adata.obs["donor"] = np.where(np.arange(adata.n_obs) % 2, "x", "y")
    (split,) = splits.leave_context_out(adata, context_key="donor", contexts="x")
    assert audit_leaks(adata, split, context_key="donor").empty
    assert Stratum("x", "A", (1.0,)) == Stratum("x", "A", (1.0,))
