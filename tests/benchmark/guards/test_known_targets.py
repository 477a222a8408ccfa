"""Targets under other names, and features that were measured in the cells that they predict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.benchmark import audit_leaks, splits
from scpi.benchmark._guards._known_targets import _gene_of
from scpi.benchmark.grid._cells import _normalised

GENES = {"STAT1", "NKX2-1", "HLA-A"}


@pytest.mark.parametrize(
    ("name", "gene"),
    [
        ("STAT1", "STAT1"),
        ("STAT1_2", "STAT1"),
        ("sgSTAT1", "STAT1"),
        ("STAT1-g1", "STAT1"),
        ("sgNKX2-1_3", "NKX2-1"),
        ("HLA-A", "HLA-A"),
        ("STAT", None),
        ("STAT1_dose", None),
    ],
)
def test_genes_that_perturbations_are_named_after(name, gene):
    assert _gene_of(name, GENES) == gene


def test_targets_under_the_ids_of_genes(adata, split):
    adata.var["symbol"] = adata.var_names.to_numpy()
    adata.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    found = audit_leaks(adata, split)
    assert found[["kind", "entry", "n"]].to_numpy().tolist() == [["targets among the scored genes", "var['symbol']", 6]]


def test_targets_under_the_names_of_guides(adata, split):
    own = adata.obs["perturbation"].astype(str)
    adata.obs["perturbation"] = [
        label if label == "control" else "+".join(f"{member}_1" for member in label.split("+")) for label in own
    ]
    assert audit_leaks(adata, split)["entry"].tolist() == ["var_names"]
    adata.obs["perturbation"] = own.replace({label: f"drug {label}" for label in set(own) - {"control"}})
    assert audit_leaks(adata, split, delimiter=None).empty


@pytest.fixture(scope="module")
def singles():
    return _normalised(scpi.datasets.plant_screen(n_perturbations=9, n_cells=20, n_decoy_sets=0, doubles=False, rng=0))


@pytest.mark.filterwarnings("ignore")
def test_features_of_the_same_cells_are_told_from_those_of_others(singles):
    split = splits.leave_perturbations_out(singles, n_splits=3)[0]
    known = singles[np.setdiff1d(np.arange(singles.n_obs), split.test)]
    found = {}
    for name, source in {"all": singles, "training": known}.items():
        scpi.tl.perturbation_features(singles, screens=source, symbols=False)
        found[name] = audit_leaks(singles, split)
    assert found["training"].empty
    (row,) = found["all"].itertuples()
    assert (row.kind, row.n, row.entry) == ("features from the same screen", 3, "uns['perturbation_features']")
    assert "'screen" in row.evidence and "correlate at 1.000" in row.evidence
    # Noise that others measured is another noise
    rng = np.random.default_rng(0)
    names = [name for name in dict.fromkeys(singles.obs["perturbation"].astype(str)) if name != "control"]
    table = pd.DataFrame(rng.normal(size=(9, 30)), index=names)
    scpi.tl.perturbation_features(singles, embeddings=table, symbols=False)
    assert audit_leaks(singles, split).empty


@pytest.mark.filterwarnings("ignore")
def test_a_repeat_of_the_screen_is_another_source(monkeypatch):
    options = {"n_perturbations": 9, "n_cells": 80, "n_decoy_sets": 0, "doubles": False, "effect_size": 2.0}
    both = _normalised(scpi.datasets.plant_screen(**options, rng=0))
    own, repeat = both[::2].copy(), both[1::2].copy()
    scpi.tl.perturbation_features(own, screens=repeat, symbols=False)
    split = splits.leave_perturbations_out(own, n_splits=3)[0]
    assert audit_leaks(own, split).empty
    # Its features do follow the changes: the correlation is 0.55
    monkeypatch.setattr("scpi.benchmark._guards._known_targets._LEAST", 0.0)
    monkeypatch.setattr("scpi.benchmark._guards._known_targets.spearman_brown", lambda r: 0.04)
    assert audit_leaks(own, split)["kind"].tolist() == ["features from the same screen"]
