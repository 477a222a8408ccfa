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


def test_the_change_of_which_the_interval_is(model, adata):
    """Of few cells, the expression less the mean of all controls is another one."""
    rng = np.random.default_rng(3)
    cells = adata[np.repeat(np.arange(adata.n_obs), 30)].copy()
    cells.obs_names_make_unique()
    cells.X = (np.asarray(cells.X) + rng.normal(size=cells.shape)).astype(np.float32)
    own = fitted(cells)
    predicted = own.predict(perturbation="P20", interval=0.9, n_cells=1, output="mean")
    change = predicted.layers["change"][0]
    assert change.dtype == np.float32
    start = cells.to_df().loc[predicted.obs["source_cell"]].to_numpy()[0]
    np.testing.assert_allclose(change, predicted.X[0] - start, atol=1e-5)
    np.testing.assert_allclose(change, (predicted.layers["lower"] + predicted.layers["upper"])[0] / 2, atol=1e-5)
    # Drawn with its own noise, a cell is far from its control, and less so from the mean of all
    controls = cells.to_df()[(cells.obs["perturbation"] == "control").to_numpy()].mean().to_numpy()
    means = cells.to_df().groupby(cells.obs["perturbation"].astype(str)).mean().drop(index=["control", "P20"])
    expected = means.mean().to_numpy() - controls
    np.testing.assert_allclose(change, expected, atol=1e-4)
    assert np.abs(predicted.X[0] - controls - expected).max() > 0.5


class TestDoses:
    @pytest.fixture(scope="class")
    def dosed(self):
        """Three contexts, in which a drug was measured at doses 1 and 10, and another at 10."""
        rng = np.random.default_rng(0)
        rows = [("control", 0.0), ("X", 1.0), ("X", 10.0), ("Y", 10.0)]
        obs = pd.DataFrame(
            [(*row, context) for context in "abc" for row in rows for _ in range(8)],
            columns=["perturbation", "dose", "context"],
        )
        obs.index = [f"c{i}" for i in range(len(obs))]
        return ad.AnnData(rng.uniform(1, 2, (len(obs), GENES)).astype(np.float32), obs=obs)

    def test_a_measured_dose_has_an_interval_and_another_has_none(self, dosed):
        MeanDelta.setup_anndata(dosed, context_key="context", dose_key="dose")
        model = MeanDelta(dosed)
        model.train(train_size=1.0)
        model.calibrate("contexts")
        predicted = model.predict(perturbation="X", context="a", dose=1, interval=0.5)
        assert (predicted.layers["lower"] < predicted.layers["upper"]).all()
        message = (
            "There is no interval for '{}' at dose {}: it was measured at (1, )?10, and a.*not doses.*leave_doses_out"
        )
        with pytest.raises(ValueError, match=message.format("X", 3)):
            model.predict(perturbation="X", context="a", dose=3, interval=0.5)
        # 1 if there is none
        with pytest.raises(ValueError, match=message.format("Y", 1)):
            model.predict(perturbation="Y", context="a", interval=0.5)
        scpi.tl.predict_perturbation(dosed, model, "X", n_between=1)
        with pytest.raises(ValueError, match=message.format("X", "3.69042")):
            scpi.tl.predicted_hits(dosed, model)

    def test_a_dose_that_was_left_out_was_not_measured(self, dosed):
        MeanDelta.setup_anndata(dosed, context_key="context", dose_key="dose")
        model = MeanDelta(dosed)
        kept = np.flatnonzero((dosed.obs["perturbation"] != "X") | (dosed.obs["dose"] == 10))
        model.train(datasplitter_kwargs={"external_indexing": [kept]})
        model.calibrate("contexts")
        with pytest.raises(ValueError, match="There is no interval for 'X' at dose 1"):
            model.predict(perturbation="X", context="a", dose=1, interval=0.5)

    def test_the_doses_of_one_drug_have_none_and_say_so(self, dosed):
        one = dosed[dosed.obs["perturbation"] != "Y"].copy()
        MeanDelta.setup_anndata(one, dose_key="dose")
        model = MeanDelta(one)
        model.train(train_size=1.0)
        with pytest.raises(ValueError, match="at least two are needed.*a perturbation alone, at several doses, has no"):
            model.calibrate("perturbations")
