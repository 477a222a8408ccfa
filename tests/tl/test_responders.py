from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    """Half of the cells of A respond, all of A+B, and none of B."""
    rng = np.random.default_rng(0)
    names = np.repeat(["control", "A", "B", "A+B"], [400, 100, 100, 60])
    responds = ((names == "A") & (np.arange(660) % 2 == 0)) | (names == "A+B")
    values = rng.normal(size=(660, 8)) * [3, 1, 1, 1, 1, 1, 1, 0.2]
    values[responds, 1] += 5
    adata = ad.AnnData(np.zeros((660, 1), dtype=np.float32), obsm={"X_rep": values})
    adata.obs["perturbation"] = names
    adata.obs["batch"] = np.where(np.arange(660) % 3 == 0, "x", "y")
    adata.obs["responds"] = responds
    return adata


def run(adata, **kwargs):
    scpi.tl.responders(adata, **({"use_rep": "X_rep"} | kwargs))
    return adata.uns["responders"]["results"].set_index("perturbation")


def test_the_responders_are_found(adata):
    results = run(adata)
    assert results.index.tolist() == ["A", "B", "A+B"]
    assert results["n_cells"].tolist() == [100, 100, 60]
    np.testing.assert_allclose(results["fraction"], [0.5, 0.0, 1.0], atol=0.03)
    assert (results["fraction_low"] <= results["fraction"]).all()
    assert (results["fraction"] <= results["fraction_high"]).all()
    assert results["shift"]["A"] == pytest.approx(5, abs=0.5) and np.isnan(results["shift"]["B"])
    probability = adata.obs["responder_probability"]
    is_control = adata.obs["perturbation"] == "control"
    assert probability[is_control].isna().all() and probability[~is_control].between(0, 1).all()
    assert ((probability[~is_control] >= 0.5) == adata.obs["responds"][~is_control]).mean() > 0.98
    assert results["n_responders"]["A"] == (probability[adata.obs["perturbation"] == "A"] >= 0.5).sum()


def test_a_difference_of_batches_is_no_response(adata):
    expected = run(adata, batch_key="batch")
    adata.obsm["X_rep"][adata.obs["batch"] == "x", 1] += 20
    moved = run(adata, batch_key="batch")
    pd.testing.assert_frame_equal(moved, expected, rtol=1e-6)


def test_seeds_groups_and_names(adata):
    first = run(adata, rng=3)
    pd.testing.assert_frame_equal(run(adata, rng=3), first)
    result = scpi.tl.responders(
        adata, use_rep="X_rep", groups="A", probability_key="mine", key_added="other", copy=True
    )
    assert "mine" not in adata.obs and "other" not in adata.uns
    assert result.obs["mine"].notna().sum() == 100
    assert result.uns["other"]["params"]["probability_key"] == "mine"


def test_it_survives_a_file(adata, tmp_path):
    expected = run(adata)
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        frame = scpi.get.responders(again).set_index("perturbation")
        assert frame.index.tolist() == ["A+B", "A", "B"]
        pd.testing.assert_frame_equal(frame.loc[expected.index], expected, check_index_type=False, check_dtype=False)
        np.testing.assert_array_equal(again.obs["responder_probability"], adata.obs["responder_probability"])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"n_folds": 1}, "`n_folds` must be at least 2"), ({"probability_key": "a/b"}, "name that files can hold")],
)
def test_bad_input_is_explained(adata, kwargs, message):
    with pytest.raises(ValueError, match=message):
        run(adata, **kwargs)
    assert "responder_probability" not in adata.obs and "responders" not in adata.uns


def test_what_is_known_of_a_real_screen(test_data):
    adata = ad.read_h5ad(test_data("papalexi2021_eccite_299genes.h5ad"))
    scpi.tl.responders(adata, control="non-targeting", batch_key="bio_rep")
    fraction = scpi.get.responders(adata).set_index("perturbation")["fraction"]
    assert fraction[["IFNGR1", "IFNGR2", "JAK2", "STAT1"]].min() > 0.7
    assert fraction[["CAV1", "CD86", "ATF2", "ETV7", "MARCH8", "PDCD1LG2", "STAT5A", "IRF7"]].max() < 0.05
