from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    """A has three guides of which one does nothing, B has two without an effect, C one guide."""
    rng = np.random.default_rng(0)
    guide = np.repeat([*(f"NT{i}" for i in range(6)), "A1", "A2", "A3", "B1", "B2", "C1"], 60)
    values = rng.normal(size=(len(guide), 6)) * [4, 1, 1, 1, 1, 1]
    values[np.isin(guide, ["A1", "A2", "C1"]), 1] += 3
    adata = ad.AnnData(np.zeros((len(guide), 1), dtype=np.float32), obsm={"X_rep": values})
    adata.obs["guide"] = guide
    adata.obs["perturbation"] = [name[0].replace("N", "control") for name in guide]
    return adata


def run(adata, **kwargs):
    scpi.tl.guide_agreement(adata, "guide", **({"use_rep": "X_rep"} | kwargs))
    return adata.uns["guide_agreement"]


def test_guides_that_agree_are_found(adata):
    stored = run(adata)
    guides = stored["guides"].set_index("guide")
    assert guides.index.tolist() == ["A1", "A2", "A3", "B1", "B2"]
    assert guides["agrees"].tolist() == [True, True, False, False, False]
    assert guides["n_cells"].tolist() == [60] * 5
    np.testing.assert_allclose(guides["strength"][:2], 3, atol=0.5)
    results = stored["results"]
    assert results["perturbation"].tolist() == ["A", "B"]
    assert results["n_guides"].tolist() == [3, 2] and results["n_agreeing"].tolist() == [2, 0]
    assert results["agree"].tolist() == [True, False]
    assert results["similarity"][0] == pytest.approx(guides["similarity"][:3].mean())
    assert stored["params"]["n_reference"] == 360


def test_small_guides_are_left_out(adata):
    adata = adata[~((adata.obs["guide"] == "A3") & (np.arange(adata.n_obs) % 10 > 0))].copy()
    assert run(adata)["results"]["n_guides"].tolist() == [2, 2]
    assert run(adata, min_cells=5)["results"]["n_guides"].tolist() == [3, 2]


def test_a_name_of_a_guide_counts_within_a_perturbation(adata):
    expected = run(adata)["guides"]
    adata.obs["guide"] = adata.obs["guide"].str[-1]
    found = run(adata)["guides"]
    pd.testing.assert_series_equal(found["similarity"], expected["similarity"])
    assert found["guide"].tolist() == ["1", "2", "3", "1", "2"]


def test_it_survives_a_file(adata, tmp_path):
    run(adata)
    expected = scpi.get.guide_agreement(adata, per_guide=True)
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        found = scpi.get.guide_agreement(again, per_guide=True)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_column_type=False)
        assert scpi.get.guide_agreement(again)["agree"].tolist() == [True, False]
    result = scpi.tl.guide_agreement(again, "guide", use_rep="X_rep", key_added="again", copy=True)
    pd.testing.assert_frame_equal(result.uns["again"]["guides"], expected)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"pval_cutoff": 0.0}, "`pval_cutoff` must be between 0 and 1, but is 0.0"),
        ({"groups": "C"}, "No perturbation has two guides of at least 10 cells"),
        ({"min_cells": 61}, "no group of at least 61 cells|has no group|two guides"),
    ],
)
@pytest.mark.filterwarnings("ignore:Not tested")
def test_bad_input_is_explained(adata, kwargs, message):
    with pytest.raises(ValueError, match=message):
        run(adata, **kwargs)
    assert "guide_agreement" not in adata.uns


def test_what_is_known_of_a_real_screen(test_data):
    adata = ad.read_h5ad(test_data("papalexi2021_eccite_299genes.h5ad"))
    scpi.tl.guide_agreement(adata, "guide", control="non-targeting", batch_key="bio_rep")
    results = scpi.get.guide_agreement(adata).set_index("perturbation")
    assert results.loc[["STAT1", "JAK2", "IFNGR1", "IFNGR2", "IRF1", "SMAD4"], "agree"].all()
    assert results.loc[["STAT1", "JAK2", "IFNGR1", "IFNGR2", "IRF1", "SMAD4"], "similarity"].min() > 0.9
    assert not results.loc[["CAV1", "CD86", "ATF2", "ETV7", "MARCH8", "STAT5A"], "n_agreeing"].any()
