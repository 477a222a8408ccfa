"""Intervals of predicted cells."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.model import MeanDelta, NoChange

GENES = 20


def profiles(n, *, rng=0, scale=1.0):
    """Changes of single perturbations, and their control of zeros."""
    change = 1.0 + scale * np.random.default_rng(rng).normal(size=(n, GENES))
    names = [f"P{i:02}" for i in range(n)]
    table = ad.AnnData(change.astype(np.float32), obs=pd.DataFrame({"perturbation": names}, index=names))
    return scpi.screen.with_zero_control(table)


@pytest.fixture(scope="module")
def adata():
    return profiles(21)


@pytest.fixture(scope="module")
def model(adata):
    return fitted(adata)


def fitted(adata, cls=MeanDelta, n_test=1, **setup):
    """A model that the last perturbations are left out of, calibrated."""
    cls.setup_anndata(adata, **setup)
    model = cls(adata)
    held_out = sorted(set(adata.obs["perturbation"]) - {"control"})[-n_test:]
    model.train(train_size=1.0, held_out=held_out)
    model.calibrate("perturbations", folds=100)
    return model


def test_the_interval_is_that_of_the_residuals(model, adata):
    predicted = model.predict(perturbation="P20", interval=0.9, n_cells=3, output="mean")
    change = adata.to_df().loc["P00":"P19"].to_numpy(dtype=np.float64)
    left_out = (change.sum(axis=0) - change) / 19
    width = np.sort(np.abs(change - left_out), axis=0)[18]
    for layer, sign in (("lower", -1), ("upper", 1)):
        np.testing.assert_allclose(
            predicted.layers[layer], np.tile(change.mean(0) + sign * width, (3, 1)), rtol=0.02, atol=0.02
        )
        assert predicted.layers[layer].dtype == np.float32
    assert predicted.uns["prediction"]["interval"] == 0.9
    assert (predicted.obs["status"] == "no better than the mean").all()
    error = np.sqrt(np.square(change - left_out).mean())
    size = np.square(change.mean(0)).mean()
    np.testing.assert_allclose(predicted.obs["confidence"], size / (size + error**2), rtol=0.05)


def test_coverage_of_perturbations_that_were_never_seen():
    covered = []
    for rng in range(6):
        adata = profiles(60, rng=rng)
        model = fitted(adata, n_test=20)
        labels = [f"P{i}" for i in range(40, 60)]
        predicted = model.predict(perturbation=labels, n_cells=1, interval=0.8, output="mean")
        real = adata.to_df().loc[labels].to_numpy()
        covered.append(((predicted.layers["lower"] <= real) & (real <= predicted.layers["upper"])).mean())
    assert abs(np.mean(covered) - 33 / 41) < 0.02


def test_without_an_interval_nothing_is_added(model):
    predicted = model.predict(perturbation="P20", n_cells=2, output="mean")
    assert not set(predicted.layers) & {"lower", "upper"}
    assert "confidence" not in predicted.obs
    assert (predicted.obs["status"] == "unseen").all()


def test_the_control_does_not_change(model):
    predicted = model.predict(perturbation=["control", "P20"], n_cells=1, interval=0.5, output="mean")
    assert not predicted.layers["lower"][0].any()
    assert not predicted.layers["upper"][0].any()
    assert predicted.obs["confidence"].iloc[0] == 1.0
    assert predicted.obs["status"].tolist() == ["control", "no better than the mean"]


def test_a_saved_model_has_the_same_intervals(model, adata, tmp_path):
    asked = {"perturbation": ["P19", "P20"], "n_cells": 2, "interval": 0.9, "output": "mean"}
    before = model.predict(**asked)
    model.save(tmp_path / "model")
    for data in (adata, adata[::-1].copy()):
        after = MeanDelta.load(tmp_path / "model", data).predict(**asked)
        for layer in ("lower", "upper"):
            np.testing.assert_array_equal(before.layers[layer], after.layers[layer])
        assert after.obs["status"].tolist() == before.obs["status"].tolist()


def test_few_conditions_are_said_with_the_number_that_is_needed():
    model = fitted(profiles(9))
    with pytest.raises(
        ValueError, match=r"`interval=0.9` of 'P08' needs 9 held-out perturbations, but there are 8. .* is 0.889\."
    ):
        model.predict(perturbation="P08", interval=0.9)
    assert np.isfinite(model.predict(perturbation="P08", interval=0.88, output="mean").layers["upper"]).all()


def test_what_is_missing_is_said(screen):
    MeanDelta.setup_anndata(screen, context_key="cell_type")
    model = MeanDelta(screen)
    model.train(held_out=["D", "C+D"])
    with pytest.raises(
        ValueError,
        match=r"The model is not calibrated. An interval for 'A' needs.*call `model.calibrate\('contexts'\)` first",
    ):
        model.predict(perturbation="A", context="T", interval=0.5)
    model.calibrate()
    with pytest.raises(ValueError, match=r"calibrated over 'contexts' only.*'D'.*`model.calibrate\('perturbations'\)`"):
        model.predict(perturbation="D", context="T", interval=0.5)
    with pytest.raises(ValueError, match=r"calibrated over 'contexts' only.*`model.calibrate\('combinations'\)`"):
        model.predict(perturbation="A+C", context="T", interval=0.5)
    with pytest.raises(ValueError, match="give the `context`"):
        model.predict(perturbation="A", interval=0.5)
    with pytest.raises(ValueError, match="`interval` is the fraction"):
        model.predict(perturbation="A", context="T", interval=90)
    found = model.predict(perturbation="A", context="T", interval=0.6, n_cells=4)
    assert (found.layers["lower"] <= found.layers["upper"]).all()


def test_a_new_perturbation_in_a_new_context_has_no_interval(screen):
    new = (screen.obs["cell_type"] == "B") & (screen.obs["perturbation"] != "control")
    part = screen[~new | (screen.obs["perturbation"] == "D")].copy()
    MeanDelta.setup_anndata(part, context_key="cell_type")
    model = MeanDelta(part)
    model.train(held_out=["D", "C+D"])
    model.calibrate("perturbations")
    with pytest.raises(ValueError, match="'D' and the context 'B' are both new to the model.*training cells are 'T'"):
        model.predict(perturbation="D", context="B", interval=0.5)
    assert model.predict(perturbation="D", context="T", interval=0.6, n_cells=1).n_obs == 1


def test_a_perturbation_that_was_trained_elsewhere_is_not_trained_here(screen):
    new = (screen.obs["cell_type"] == "B") & (screen.obs["perturbation"] != "control")
    contexts = screen.obs["cell_type"].astype(str) + np.where(np.arange(screen.n_obs) % 2, "1", "2")
    screen.obs["cell_type"] = contexts
    part = screen[~new.to_numpy()].copy()
    MeanDelta.setup_anndata(part, context_key="cell_type")
    model = MeanDelta(part)
    model.train(train_size=1.0)
    model.calibrate()
    status = [
        model.predict(perturbation="A", context=name, interval=0.5, n_cells=1).obs["status"].iloc[0]
        for name in ("T1", "B1")
    ]
    assert status == ["trained", "no better than the mean"]
    alone = model.predict(perturbation="A", context="B1", n_cells=1)
    assert alone.obs["status"].tolist() == ["unseen context"]


def test_predictions_that_are_no_change_have_no_confidence():
    model = fitted(profiles(15), NoChange)
    predicted = model.predict(perturbation="P14", interval=0.9, n_cells=1, output="mean")
    assert predicted.obs["confidence"].tolist() == [0.0]
    np.testing.assert_allclose(predicted.layers["upper"], -predicted.layers["lower"])
    assert predicted.obs["status"].tolist() == ["no better than the mean"]
