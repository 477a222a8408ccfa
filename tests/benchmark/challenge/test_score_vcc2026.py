from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from scpi.benchmark import score_vcc2026

NAMES = {
    "discrimination": "pds_cosine",
    "error": "expr_mse_unbiased_capped",
    "effect": "expr_distance_unbiased",
    "de_fidelity": "de_wilcoxon_direction_fidelity_yield_raw",
    "de_reach": "de_wilcoxon_direction_reach_raw",
    "de_jaccard": "de_wilcoxon_sig_jaccard",
    "de_lfc_error": "de_wilcoxon_lfc_nmae",
}
NAN = np.nan
# What cell-eval2 0.20.0 gives for the cells of conftest.py
EXPECTED = pd.DataFrame(
    {
        "discrimination": [1.0, 1.0, 1.0, 1.0, 0.857142857143, 0.285714285714, 1.0, 1.0],
        "error": [1.41980971697, 2.57760689555, 1.6836258028, 2.38749820118, 5.85062498137, 3.65532658268]
        + [-2.15799166646, 0.184288377973],
        "effect": [2.11249109268, 3.94090640032, 1.92778510608, 3.18347770373, 5.89244931483, 2.88638304825]
        + [2.63330707462, 0.367846858543],
        "de_fidelity": [0.363636363636, 0.46875, 0.47619047619, 0.5, 1.0, 0.0, 0.0, NAN],
        "de_reach": [0.030303030303, 0.0625, 0.52380952381, 0.2, NAN, 0.2, 0.75, NAN],
        "de_jaccard": [0.371428571429, 0.558823529412, 0.52380952381, 0.52380952381, 0.0, 0.0, 0.0, 1.0],
        "de_lfc_error": [0.835388167425, 0.474609432409, 1.18065064197, 0.872878493638, NAN, 1.41990180673, NAN, NAN],
    },
    index=pd.Index(["drug", "g1", "g2", "g3", "g4", "g5", "g6", "none"], name="perturbation"),
)


def test_the_numbers_are_those_of_the_challenge(predicted, measured):
    found = score_vcc2026(predicted, measured)
    pd.testing.assert_frame_equal(found.perturbations, EXPECTED, rtol=0, atol=1e-9)
    assert found.overall["mse_normalised"] == pytest.approx(0.679931539792, abs=1e-9)
    for name in set(NAMES) - {"error", "effect"}:
        assert found.overall[name] == pytest.approx(EXPECTED[name].mean(), abs=1e-9)


def test_cell_eval2_gives_the_same(predicted, measured):
    cell_eval2 = pytest.importorskip("cell_eval2")
    run = pytest.importorskip("cell_eval2.run")
    logging.getLogger("cell_eval2").setLevel(logging.ERROR)
    keys = {"pert_col": "perturbation", "control": "control", "cache_strict": False}
    config = replace(cell_eval2.EvalConfig.from_preset("vcc2026"), **keys)
    theirs = cell_eval2.compute_metrics(predicted.copy(), measured.copy(), config=config)
    table = pd.DataFrame(theirs.to_dicts()).pivot(index="perturbation", columns="metric", values="value")
    found = score_vcc2026(predicted, measured)
    for name, other in NAMES.items():
        expected = table[other].reindex(found.perturbations.index).astype(float)
        np.testing.assert_allclose(found.perturbations[name], expected, rtol=0, atol=1e-9)
    overall = {row["metric"]: row["mean"] for row in run.aggregate_metrics(theirs).to_dicts()}
    assert found.overall["mse_normalised"] == pytest.approx(overall["expr_mse_unbiased_capped_norm"], abs=1e-9)


def test_genes_may_be_in_another_order_and_controls_missing(predicted, measured):
    turned = predicted[predicted.obs["perturbation"] != "control", ::-1]
    pd.testing.assert_frame_equal(score_vcc2026(turned, measured).perturbations, EXPECTED, rtol=0, atol=1e-9)


def test_perfect_predictions_and_controls(measured):
    found = score_vcc2026(measured, measured).overall
    assert (found[["discrimination", "de_fidelity", "de_reach", "de_jaccard"]] == 1).all() and found[
        "de_lfc_error"
    ] == 0
    # The noise of cells that are compared with themselves is subtracted all the same
    assert found["mse_normalised"] < 0
    labels = measured.obs["perturbation"].to_numpy()
    control = np.flatnonzero(labels == "control")
    same = measured[np.concatenate([control for _ in EXPECTED.index])].copy()
    same.obs["perturbation"] = np.repeat(EXPECTED.index, len(control))
    found = score_vcc2026(same, measured)
    # One profile for all is as near to each as to any other, and claims no noise
    assert found.overall["discrimination"] == 0.5 and found.overall["mse_normalised"] > 1


def test_a_guide_may_have_the_name_of_its_gene_given(predicted, measured):
    renamed = [one.copy() for one in (predicted, measured)]
    for one in renamed:
        one.obs["perturbation"] = one.obs["perturbation"].replace("g2", "guide 7")
    found = score_vcc2026(*renamed, targets={"guide 7": "g2"}).perturbations
    pd.testing.assert_series_equal(found.loc["guide 7"], EXPECTED.loc["g2"], check_names=False, rtol=0, atol=1e-9)
    without = score_vcc2026(*renamed, targets={"guide 7": None}).perturbations
    assert without.loc["guide 7", "error"] != pytest.approx(EXPECTED.loc["g2", "error"])


def test_mistakes(predicted, measured):
    with pytest.raises(ValueError, match=r"1 are not predicted, such as 'g0', and 0 not measured"):
        score_vcc2026(predicted[:, 1:], measured)
    with pytest.raises(ValueError, match=r"`predicted` lacks 1 of the 8 perturbations"):
        score_vcc2026(predicted[predicted.obs["perturbation"] != "g3"], measured)
    with pytest.raises(ValueError, match=r"has no control cell 'NT', only 'control'"):
        score_vcc2026(predicted, measured, control="NT")
    with pytest.raises(ValueError, match=r"are ranked, but `measured` has only 'g1'"):
        score_vcc2026(predicted, measured[measured.obs["perturbation"].isin(["g1", "control"])])
    with pytest.raises(ValueError, match=r"`targets` names 'TP53' for 'drug', which is not among the 90 genes"):
        score_vcc2026(predicted, measured, targets={"drug": "TP53"})
