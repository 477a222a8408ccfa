"""Genes that predicted perturbations change."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi._conformal._hits import hit_p_values
from scpi._conformal._left_out import LeftOut
from scpi.de import false_discovery_control
from scpi.model import MeanDelta

GENES, LABELS = 200, [f"P{i:02}" for i in range(24)]


@pytest.fixture(scope="module")
def original():
    """Perturbations that change the first 40 genes nearly alike, and a model that four of them are left out of."""
    rng = np.random.default_rng(0)
    shared = np.where(np.arange(GENES) < 40, rng.choice([-2.0, 2.0], GENES), 0.0)
    change = shared * rng.uniform(0.5, 1.5, (24, 1)) + 0.3 * rng.normal(size=(24, GENES))
    table = ad.AnnData(change.astype(np.float32), obs=pd.DataFrame({"perturbation": LABELS}, index=LABELS))
    adata = scpi.screen.with_zero_control(table)
    MeanDelta.setup_anndata(adata)
    model = MeanDelta(adata)
    model.train(train_size=1.0, held_out=LABELS[20:])
    model.calibrate("perturbations")
    scpi.tl.predict_perturbation(adata, model, LABELS[18:])
    return adata, model


@pytest.fixture
def found(original):
    adata, model = original[0].copy(), original[1]
    scpi.tl.predicted_hits(adata, model)
    return adata


def test_genes_that_change_are_hits(found):
    hits = found.varm["predicted_hits"] <= 0.05
    assert hits[:40].mean() > 0.95
    assert hits[40:].mean() < 0.01
    conditions = found.uns["predicted_hits"]["conditions"]
    assert conditions["perturbation"].tolist() == LABELS[18:]
    assert conditions["n_hits"].tolist() == hits.sum(axis=0).tolist()
    assert (conditions["n_left_out"] == 20).all()
    assert conditions["status"].tolist() == ["trained"] * 2 + ["no better than the mean"] * 4
    assert conditions["confidence"].between(0.5, 1.0).all()


def test_numbers_are_those_of_the_conditions_that_were_left_out(found, original):
    kept = original[1].left_out_["perturbations"]
    left_out = LeftOut(kept["predicted"], kept["measured"], kept["of_mean"])
    p_values = hit_p_values(left_out, found.varm["predicted_change"].T.astype(np.float64)).T
    np.testing.assert_allclose(found.varm["predicted_hits_pvals"], p_values)
    np.testing.assert_allclose(found.varm["predicted_hits"], false_discovery_control(p_values, axis=0))
    np.testing.assert_array_equal(found.varm["predicted_hits_change"], found.varm["predicted_change"])
    table = found.uns["predicted_hits"]["left_out"]
    np.testing.assert_allclose(
        table["error"], np.sqrt(np.square(kept["measured"] - kept["predicted"]).mean(1)), rtol=1e-5
    )
    np.testing.assert_allclose(table["size"], np.sqrt(np.square(kept["measured"]).mean(1)), rtol=1e-5)
    assert (table["over"] == "perturbations").all()


def test_it_survives_a_file_and_a_copy(found, original, tmp_path):
    found.write_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(
        scpi.get.predicted_hits(ad.read_h5ad(tmp_path / "a.h5ad")), scpi.get.predicted_hits(found)
    )
    adata, model = original
    before = set(adata.varm)
    result = scpi.tl.predicted_hits(adata, model, key_added="mine", pval_cutoff=0.2, copy=True)
    assert set(adata.varm) == before
    assert set(result.varm) - before == {"mine", "mine_pvals", "mine_change"}
    assert result.uns["mine"]["params"]["pval_cutoff"] == 0.2


def test_what_is_refused(original):
    adata, model = original[0].copy(), original[1]
    with pytest.raises(KeyError, match="no result of `scpi.tl.predict_perturbation` under 'none'"):
        scpi.tl.predicted_hits(adata, model, key="none")
    with pytest.raises(TypeError, match="str predicts no perturbations"):
        scpi.tl.predicted_hits(adata, "model")
    other = adata[:, ::-1].copy()
    with pytest.raises(ValueError, match="are of other genes than those of the model"):
        scpi.tl.predicted_hits(other, model)
    other = MeanDelta(original[0])
    other.train(train_size=1.0)
    with pytest.raises(ValueError, match="not calibrated"):
        scpi.tl.predicted_hits(adata, other)
