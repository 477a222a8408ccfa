from __future__ import annotations

import sys
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi.benchmark.splits import leave_conditions_out
from scpi.benchmark.splits._scaffolds import scaffold


@pytest.fixture
def table():
    pairs = [(f"c{c}", f"T{t}", f"s{c // 2}") for c in range(10) for t in range(3)]
    obs = pd.DataFrame(pairs, columns=["perturbation", "cell_type", "group"], index=[f"row{i}" for i in range(30)])
    return ad.AnnData(np.zeros((30, 2), dtype=np.float32), obs=obs)


def parts(table, **kwargs):
    """Left-out rows of each split, after a check that the training rows are others."""
    found = leave_conditions_out(table, **({"context_key": "cell_type"} | kwargs))
    for split in found:
        assert not set(split.train) & set(split.test)
        assert len(split.start) == len(split.reference) == 0
    return found


def test_conditions_are_left_out_once_each(table):
    found = parts(table, n_splits=4)
    assert [split.name for split in found] == [f"part {i} of 4" for i in range(1, 5)]
    np.testing.assert_array_equal(np.sort(np.concatenate([split.test for split in found])), np.arange(30))
    assert all(len(split.train) + len(split.test) == 30 for split in found)


def test_the_rows_of_a_condition_stay_together(table):
    twice = ad.concat([table, table], index_unique="-")
    for split in parts(twice, n_splits=3):
        np.testing.assert_array_equal(np.sort(split.test % 30)[::2], np.unique(split.test % 30))


@pytest.mark.parametrize(("key", "column"), [({}, "perturbation"), ({"scaffold_key": "group"}, "group")])
def test_perturbations_or_their_groups_are_left_out_as_a_whole(table, key, column):
    found = parts(table, leave_out="perturbation", n_splits=5, **key)
    for split in found:
        assert not set(table.obs[column].iloc[split.train]) & set(table.obs[column].iloc[split.test])
    assert sum(len(split.test) for split in found) == 30


def test_contexts_are_left_out_in_turn(table):
    found = parts(table, leave_out="context")
    assert [split.name for split in found] == ["T0", "T1", "T2"]
    assert [set(table.obs["cell_type"].iloc[split.test]) for split in found] == [{"T0"}, {"T1"}, {"T2"}]


def test_neither_of_both_is_trained_on(table):
    found = parts(table, leave_out="both", scaffold_key="group", n_splits=5)
    assert len(found) == 15
    for split in found:
        train, test = table.obs.iloc[split.train], table.obs.iloc[split.test]
        assert not set(train["cell_type"]) & set(test["cell_type"])
        assert not set(train["group"]) & set(test["group"])
        assert (len(train), len(test)) == (16, 2)


def test_the_seed_decides(table):
    tests = [[split.test.tolist() for split in parts(table, rng=seed)] for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


@pytest.fixture
def rdkit(monkeypatch):
    def scaffold_of(smiles):
        if smiles == "?":
            raise ValueError("no molecule")
        return smiles.partition("-")[0] if "-" in smiles else ""

    for name in ("rdkit", "rdkit.Chem", "rdkit.Chem.Scaffolds"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(__path__=[]))
    module = SimpleNamespace(MurckoScaffoldSmiles=scaffold_of)
    monkeypatch.setitem(sys.modules, "rdkit.Chem.Scaffolds.MurckoScaffold", module)


def test_compounds_of_one_scaffold_are_left_out_together(table, rdkit):
    table.obs["SMILES"] = [f"r{i // 9}-{i}" if i < 27 else "CC" for i in range(30)]
    assert (scaffold("r1-5"), scaffold("CC")) == ("r1", "CC")
    found = parts(table, leave_out="perturbation", smiles_key="SMILES", n_splits=4)
    assert sorted(len(split.test) for split in found) == [3, 9, 9, 9]
    with pytest.raises(ValueError, match="'\\?' cannot be read as SMILES: no molecule"):
        scaffold("?")


def test_the_package_for_scaffolds_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "rdkit"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ImportError, match="rdkit"):
        scaffold("CC")


def test_bad_input_is_named(table):
    with pytest.raises(ValueError, match="`leave_out` must be one of 'condition'"):
        leave_conditions_out(table, leave_out="compound")
    with pytest.raises(ValueError, match="name the column of the contexts"):
        leave_conditions_out(table, leave_out="both")
    with pytest.raises(ValueError, match="give `scaffold_key` or `smiles_key`"):
        leave_conditions_out(table, scaffold_key="group")
    with pytest.raises(ValueError, match="`n_splits` must be between 2 and .*, 10, but is 11"):
        leave_conditions_out(table, leave_out="perturbation", n_splits=11)
    with pytest.raises(KeyError, match="'dose'"):
        leave_conditions_out(table, context_key="dose")
    with pytest.raises(ValueError, match="has 1 context"):
        leave_conditions_out(table[table.obs["cell_type"] == "T0"].copy(), leave_out="context", context_key="cell_type")
    table.obs.loc["row3", "perturbation"] = None
    with pytest.raises(ValueError, match="has no label for 1 conditions"):
        leave_conditions_out(table)
