"""Also of scpi.datasets._op3_design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.datasets import op3_like
from scpi.datasets._op3_design import read_design, similar_groups

SMALL = {"n_compounds": 6, "n_genes": 50, "n_cells": 10, "n_vehicle": 2}


@pytest.fixture(scope="module")
def cells():
    return op3_like(**SMALL, rng=0)


def test_every_condition_is_in_one_well_of_each_donor(cells):
    obs = cells.obs
    assert set(obs) == {"sm_name", "cell_type", "donor_id", "plate_name", "well", "chemical_group"}
    treated = obs[obs["sm_name"] != "Dimethyl Sulfoxide"]
    assert (treated.groupby(["sm_name", "donor_id"], observed=True)["well"].nunique() == 1).all()
    assert obs.groupby("plate_name", observed=True)["donor_id"].nunique().max() == 1
    wells = obs[obs["sm_name"] == "Dimethyl Sulfoxide"].groupby("plate_name", observed=True)["well"].nunique()
    assert list(wells) == [2] * 6
    assert cells.X.format == "csr"
    assert (cells.X.data == np.round(cells.X.data)).all()


def test_the_same_seed_gives_the_same_cells(cells, tmp_path):
    again, other = (op3_like(**SMALL, rng=seed) for seed in (0, 1))
    assert (again.X != cells.X).nnz == 0
    assert again.shape != other.shape or (again.X != other.X).nnz
    cells.write_h5ad(tmp_path / "cells.h5ad")


def test_the_planted_effects_are_in_the_counts():
    adata = op3_like(n_compounds=2, n_genes=60, n_cells=400, n_vehicle=4, effect_size=1.0, well_sd=0.0, rng=0)
    truth = adata.uns["truth"]
    obs, total = adata.obs, np.asarray(adata.X.sum(1)).ravel()
    for condition, (name, cell_type) in enumerate(
        truth["conditions"][["sm_name", "cell_type"]].itertuples(index=False)
    ):
        fractions = []
        for compound in (name, "Dimethyl Sulfoxide"):
            chosen = ((obs["sm_name"] == compound) & (obs["cell_type"] == cell_type)).to_numpy()
            fractions.append(np.asarray(adata.X[chosen].sum(0)).ravel() / total[chosen].sum())
        found, expected = np.log2(fractions[0] / fractions[1]), truth["lfc"][condition]
        often = fractions[1] > 0.01
        # What the strong genes gain, all others lose
        np.testing.assert_allclose(
            (found - found[often].mean())[often], (expected - expected[often].mean())[often], atol=0.35
        )


def test_effects_are_of_low_rank_and_shared_by_groups():
    adata = op3_like(n_compounds=60, n_genes=80, n_cells=0.5, n_vehicle=1, n_programs=3, context_fraction=0.0, rng=0)
    truth = adata.uns["truth"]
    assert np.linalg.matrix_rank(truth["lfc"]) == 3
    np.testing.assert_allclose(
        truth["lfc"][0], truth["activity"][0] @ truth["programs"][0], err_msg="first compound, first cell type"
    )
    own = op3_like(n_compounds=60, n_genes=80, n_cells=0.5, n_vehicle=1, group_fraction=1.0, rng=0).uns["truth"]
    group = own["conditions"].drop_duplicates("sm_name")["chemical_group"].to_numpy()
    alike = [
        np.corrcoef(own["activity"][group == name])[0, 1] for name in np.unique(group) if (group == name).sum() > 1
    ]
    np.testing.assert_allclose(alike, 1.0)


def test_a_design_is_taken_as_it_is(tmp_path):
    design = pd.DataFrame(
        {"drug_name": ["a", "a", "b"], "cell_type": ["T", "B", "T"], "smiles": ["CCO", "CCO", "CCN"], "split": "train"}
    )
    design.to_csv(tmp_path / "design.csv", index=False)
    for given in (design, tmp_path / "design.csv"):
        adata = op3_like(given, n_genes=20, n_cells=8, n_vehicle=1)
        truth = adata.uns["truth"]["conditions"]
        assert list(truth.index) == ["T, a", "B, a", "T, b"]
        assert set(zip(adata.obs["cell_type"], adata.obs["sm_name"], strict=True)) >= {
            ("T", "a"),
            ("B", "a"),
            ("T", "b"),
        }
        assert not ((adata.obs["cell_type"] == "B") & (adata.obs["sm_name"] == "b")).any()
        assert {"split", "SMILES", "chemical_group"} <= set(truth)


def test_alike_structures_are_a_group():
    chain, ring = "CCCCCCCCCCO", "c1ccc2ccccc2c1"
    groups = similar_groups([chain, chain + "O", ring, ring + "C"], per_group=2)
    assert groups[0] == groups[1] != groups[2] == groups[3]
    assert similar_groups(["C"]) == ["group1"]


def test_a_simulated_design_is_like_the_real_one():
    table = read_design(None, 200, np.random.default_rng(0))
    assert len(table) == 800
    counts = table.groupby(["cell_type", "split"]).size()
    assert counts["T cells", "train"] == counts["NK cells", "train"] == 200
    assert 5 <= counts["B cells", "train"] <= 40
    assert counts["B cells", "private_test"] > counts["B cells", "public_test"]


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="lacks 'sm_name'"):
        op3_like(pd.DataFrame({"cell_type": ["T"]}))
    with pytest.raises(ValueError, match="stand in the design once"):
        op3_like(pd.DataFrame({"cell_type": ["T", "T"], "sm_name": ["a", "a"]}))
    with pytest.raises(ValueError, match="`group_fraction` must be between 0 and 1"):
        op3_like(group_fraction=2.0)
    with pytest.raises(ValueError, match="`n_genes` must be at least 1"):
        op3_like(n_genes=0)
