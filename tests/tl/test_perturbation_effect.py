from __future__ import annotations

import time

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData

import scpi
from scpi.metrics import energy_distance


def screen(*, spread=0.0, shift=2.0, seed=0):
    """Perturbations of three guides among nine of the controls: A and A+B have an effect, B and C have none."""
    rng = np.random.default_rng(seed)
    names = np.repeat(["control", "A", "B", "A+B", "C"], [270, 60, 60, 60, 60])
    guide = np.array([f"{name}_{i % (9 if name == 'control' else 3)}" for i, name in enumerate(names)])
    _, code = np.unique(guide, return_inverse=True)
    values = rng.normal(size=(len(names), 5)) + spread * rng.normal(size=(code.max() + 1, 5))[code]
    values[np.isin(names, ["A", "A+B"]), 0] += shift
    order = rng.permutation(len(names))
    adata = ad.AnnData(np.zeros((len(names), 2), dtype=np.float32), obsm={"X_rep": values[order]})
    adata.obs["perturbation"] = names[order]
    adata.obs["guide"] = guide[order]
    adata.obs["batch"] = np.tile(["x", "y"], len(names) // 2)
    return adata


def run(adata, **kwargs):
    scpi.tl.perturbation_effect(adata, **({"use_rep": "X_rep", "n_permutations": 200} | kwargs))
    return adata.uns["perturbation_effect"]["results"].set_index("perturbation")


def test_it_finds_the_perturbations_with_an_effect():
    adata = screen()
    results = run(adata)
    assert results.columns.tolist() == ["n_cells", "distance", "score", "pval", "pval_adj", "active"]
    assert set(results.index[results["active"]]) == {"A", "A+B"} == set(results.index[:2])
    assert results["n_cells"].tolist() == [60] * 4
    values = adata.obsm["X_rep"]
    for name in results.index:
        cells, control = (values[adata.obs["perturbation"] == label] for label in (name, "control"))
        assert results.loc[name, "distance"] == pytest.approx(energy_distance(cells, control), rel=1e-4, abs=1e-6)
    assert results.loc["A", "pval"] == pytest.approx(1 / 201)
    assert results.loc["A", "pval_adj"] == pytest.approx(2 / 201)


def test_guides_that_differ_are_no_effect():
    called, of_cells = [], []
    for seed in range(15):
        adata = screen(spread=0.5, shift=4.0, seed=seed)
        results = run(adata, guide_key="guide", n_permutations=250)
        called.append(results.loc[["A", "A+B", "B", "C"], "active"])
        of_cells.append(results.loc[["B", "C"], "pval_cells"] <= 0.05)
        assert (results["pval"] == results[["pval_cells", "pval_guides"]].max(axis=1)).all()
        assert results["n_guides"].tolist() == [3] * 4
    found = np.mean(called, axis=0)
    assert found[:2].min() > 0.9 and found[2:].max() <= 0.2
    # Cells alone find a difference in most of these
    assert np.mean(of_cells) > 0.5


def test_equal_seeds_give_equal_results_and_samples_are_drawn():
    first, again, other = (run(screen(), rng=seed, n_cells=40) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert (first["distance"] != other.loc[first.index, "distance"]).all()
    assert first["n_cells"].tolist() == [60] * 4


def test_a_difference_of_batches_is_no_effect():
    adata = screen()
    adata.obsm["X_rep"][adata.obs["batch"] == "x"] += 5
    # B is in one batch for the most part
    kept = (adata.obs["perturbation"] != "B") | (adata.obs["batch"] == "x") | (np.arange(adata.n_obs) % 12 == 1)
    adata = adata[kept].copy()
    assert run(adata).loc["B", "active"]
    within = run(adata, batch_key="batch")
    assert not within.loc["B", "active"] and within.loc["A", "active"]


def test_too_few_guides_are_said():
    adata = screen(shift=10.0)
    adata.obs["guide"] = adata.obs["perturbation"].where(adata.obs["perturbation"] != "control", adata.obs["guide"])
    with pytest.warns(UserWarning, match="4 perturbations, such as 'A', have too few guides") as record:
        results = run(adata, guide_key="guide")
    assert record[0].filename == __file__
    assert results.loc["A", "pval"] == pytest.approx(0.1)
    assert not results["active"].any()
    adata.obs["guide"] = adata.obs["perturbation"]
    with pytest.raises(ValueError, match="have 1 guide, but at least 2"):
        run(adata, guide_key="guide")


def test_it_survives_a_file(tmp_path):
    adata = screen()
    expected = run(adata, guide_key="guide", batch_key="batch").reset_index()
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        frame = scpi.get.perturbation_effect(again)
        pd.testing.assert_frame_equal(frame, expected, check_dtype=False, check_column_type=False)
        assert again.uns["perturbation_effect"]["params"]["n_reference"] == 270


def test_a_copy_and_a_modality():
    adata = screen()
    expected = run(adata)
    fresh = screen()
    result = scpi.tl.perturbation_effect(fresh, use_rep="X_rep", n_permutations=200, copy=True)
    assert not fresh.uns
    labels = fresh.obs.pop("perturbation")
    mdata = MuData({"rna": fresh})
    mdata.obs["perturbation"] = labels
    scpi.tl.perturbation_effect(mdata, use_rep="X_rep", n_permutations=200, mod="rna")
    for frame in (scpi.get.perturbation_effect(result), scpi.get.perturbation_effect(mdata, mod="rna")):
        pd.testing.assert_frame_equal(frame.set_index("perturbation"), expected)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_permutations": 0}, "`n_permutations` must be at least 1"),
        ({"pval_cutoff": 1.0}, "`pval_cutoff` between 0 and 1, but they are 200, 1000 and 1.0"),
        ({"n_cells": 1}, "`n_cells` at least 2"),
        ({"groups": ["control"]}, "against itself"),
        ({"delimiter": ""}, "`delimiter` must not be empty"),
    ],
)
def test_bad_input_is_explained(kwargs, message):
    adata = screen()
    with pytest.raises(ValueError, match=message):
        run(adata, **kwargs)
    assert not adata.uns


def test_a_large_screen_is_quick():
    rng = np.random.default_rng(0)
    names = np.r_[np.repeat("control", 500), np.repeat([f"p{i}" for i in range(100)], 30)]
    adata = ad.AnnData(np.zeros((len(names), 1), dtype=np.float32), obsm={"X_rep": rng.normal(size=(len(names), 20))})
    adata.obs["perturbation"] = names
    start = time.process_time()
    results = run(adata, n_permutations=1000)
    # 2,000 perturbations in three minutes
    assert time.process_time() - start < 9
    assert (results["pval"] <= 0.05).mean() < 0.15 and not results["active"].any()


@pytest.fixture(scope="module")
def papalexi(test_data):
    return ad.read_h5ad(test_data("papalexi2021_eccite_299genes.h5ad"))


def test_what_is_known_of_a_real_screen(papalexi):
    adata = papalexi.copy()
    scpi.tl.perturbation_effect(
        adata, control="non-targeting", batch_key="bio_rep", guide_key="guide", n_permutations=800
    )
    active = scpi.get.perturbation_effect(adata, active=True)["perturbation"]
    assert {"STAT1", "STAT2", "JAK2", "IFNGR1", "IFNGR2", "IRF1", "SMAD4", "BRD4", "CUL3", "NFKBIA"} <= set(active)
    assert not {"CAV1", "CD86", "ATF2", "ETV7", "MARCH8", "PDCD1LG2", "STAT5A", "POU2F2", "IRF7"} & set(active)


def test_a_gene_that_is_low_in_its_own_knock_out_is_no_effect(papalexi):
    adata = papalexi.copy()
    options = {"control": "non-targeting", "batch_key": "bio_rep", "groups": ["STAT1", "NFKBIA", "CAV1"]}
    active = []
    for exclude in (False, True):
        scpi.tl.perturbation_effect(adata, **options, n_permutations=200, exclude_targets=exclude)
        active.append(set(scpi.get.perturbation_effect(adata, active=True)["perturbation"]))
    assert active == [{"STAT1", "NFKBIA"}, {"STAT1"}]
