"""SCVIDR: regressions of the shift on the controls, and doses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from scpi.model.latent_shift._presets import SCVIDR_PRESETS


def parts(model, label="x", dose=1.0):
    """Latent means of the controls and shifts of the contexts, by plain NumPy."""
    z, obs = model.get_latent_representation().astype(float), model.adata.obs
    arm = [
        (obs["perturbation"] == "control").to_numpy(),
        ((obs["perturbation"] == label) & (obs["dose"] == dose)).to_numpy(),
    ]
    control, treated = (np.array([z[keep & (obs["context"] == c).to_numpy()].mean(0) for c in "abcd"]) for keep in arm)
    new = z[arm[0] & (obs["context"] == "e").to_numpy()].mean(0)
    return control, treated - control, new


def test_published_regression_is_that_of_scikit_learn(linear_model, make_contexts):
    model = linear_model("SCVIDR", make_contexts(), preset="published", residual=True)
    controls, shifts, new = parts(model)
    expected = LinearRegression().fit(controls, shifts).predict(new[None])[0]
    np.testing.assert_allclose(model.get_shift(perturbation="x", context="e"), expected, atol=1e-3)


def test_ridge_is_the_baseline_where_the_networks_are_linear(linear_model, make_contexts, baseline):
    model = linear_model("SCVIDR", make_contexts())
    expected = baseline("RidgeDelta", make_contexts()).predict(perturbation="x", context="e", output="mean")
    np.testing.assert_allclose(model.predict(perturbation="x", context="e", output="mean").X, expected.X, atol=1e-4)


def test_without_regression_it_is_the_mean_shift(linear_model, make_contexts):
    model = linear_model("SCVIDR", make_contexts(), regression="none")
    np.testing.assert_allclose(model.get_shift(perturbation="x", context="e"), parts(model)[1].mean(0), atol=1e-5)
    other = linear_model("SCGEN", make_contexts()).get_shift(perturbation="x")
    np.testing.assert_allclose(model.get_shift(perturbation="x", context="e"), other, atol=1e-5)


def test_regressions_find_a_shift_that_depends_on_the_context(linear_model, make_contexts):
    """Contexts on a line, along which the change grows: the last of them is beyond all others."""
    adata, rng = make_contexts(missing=None), np.random.default_rng(2)
    place, step = np.array(["abcde".index(c) for c in adata.obs["context"]])[:, None], rng.normal(size=(3, 12))
    treated = (adata.obs["perturbation"] == "x").to_numpy()
    adata.X = 5 + place * step[0] + treated[:, None] * (step[1] + place * step[2]) + rng.normal(0, 0.05, adata.shape)
    adata.X = adata.X.astype(np.float32)
    known = adata[~treated | (adata.obs["context"] != "e").to_numpy()].copy()
    errors = {}
    for regression in ("ols", "ridge", "none"):
        model = linear_model("SCVIDR", known, regression=regression)
        change = model.get_shift(perturbation="x", context="e") @ model.module.decoder.weight.numpy()
        errors[regression] = np.abs(change - step[1] - 4 * step[2]).mean()
    assert errors["ols"] < 0.1
    assert errors["ridge"] < 0.1
    assert errors["none"] > 1


def test_published_doses_grow_with_the_logarithm(linear_model, make_contexts):
    model = linear_model("SCVIDR", make_contexts(doses=True), doses=True, preset="published")
    controls, shifts, new = parts(model, dose=10.0)
    largest = LinearRegression().fit(controls, shifts).predict(new[None])[0]
    for dose in (0.5, 3.0, 10.0, 30.0):
        expected = largest * np.log1p(dose) / np.log1p(10.0)
        np.testing.assert_allclose(model.get_shift(perturbation="x", context="e", dose=dose), expected, atol=1e-3)


def test_measured_doses_are_regressed_by_themselves(linear_model, make_contexts):
    adata = make_contexts(doses=True)
    # A response that is there at the lowest dose and does not grow
    obs = adata.obs
    for context in "abcd":
        own = (obs["context"] == context).to_numpy() & (obs["perturbation"] == "x").to_numpy()
        adata.X[own] = adata.X[own & (obs["dose"] == 10.0).to_numpy()].mean(0)
    model = linear_model("SCVIDR", adata, doses=True, regression="none")
    low, high = (model.get_shift(perturbation="x", context="e", dose=dose) for dose in (1.0, 10.0))
    np.testing.assert_allclose(low, high, atol=1e-4)
    published = linear_model("SCVIDR", adata, doses=True, regression="none", dose_response="log")
    low, high = (published.get_shift(perturbation="x", context="e", dose=dose) for dose in (1.0, 10.0))
    np.testing.assert_allclose(low, high * np.log(2) / np.log(11), atol=1e-4)


def test_low_doses_are_the_published_reverse(linear_model, make_contexts):
    adata = make_contexts(doses=True)
    model = linear_model("SCVIDR", adata, doses=True, preset="published")
    high = np.flatnonzero(
        (adata.obs["perturbation"] == "x") & (adata.obs["dose"] == 10) & (adata.obs["context"] == "a")
    )
    predicted = model.predict_dose(perturbation="x", dose=3.0, indices=high, output="mean")
    shift = model.get_shift(perturbation="x", context="a", dose=10.0)
    expected = -shift * (np.log1p(10.0) - np.log1p(3.0)) / np.log1p(10.0)
    z = model.get_latent_representation()[high] + expected
    np.testing.assert_allclose(predicted.X, z @ model.module.decoder.weight.numpy(), atol=1e-3)


def test_members_of_an_unmeasured_combination_add_up(linear_model, make_contexts):
    adata = make_contexts(doses=True)
    adata = adata[adata.obs["perturbation"] != "x+y"].copy()
    for kwargs in ({}, {"preset": "published"}):
        model = linear_model("SCVIDR", adata, doses=True, **kwargs)
        shifts = [model.get_shift(perturbation=label, context="e", dose=2.0) for label in ("x", "y", "x+y")]
        np.testing.assert_allclose(shifts[0] + shifts[1], shifts[2], atol=1e-6)


def test_a_new_context_is_regressed_on_its_own_controls(linear_model, make_contexts):
    adata = make_contexts()
    model = linear_model("SCVIDR", adata[adata.obs["context"] != "e"].copy(), regression="ols")
    whole = linear_model("SCVIDR", make_contexts(), regression="ols")
    np.testing.assert_allclose(
        model.get_shift(adata, perturbation="x", context="e"),
        whole.get_shift(perturbation="x", context="e"),
        atol=1e-3,
    )
    treated = adata[~((adata.obs["context"] == "e") & (adata.obs["perturbation"] == "control"))].copy()
    treated.obs.loc[treated.obs["context"] == "d", "context"] = "f"
    treated.obs.loc[(treated.obs["context"] == "f") & (treated.obs["perturbation"] == "control"), "context"] = "a"
    with pytest.raises(ValueError, match="Context 'f' has no control cell"):
        model.predict_dose(treated, perturbation="x", dose=0.5, context="f")


def test_the_published_arithmetic():
    preset = SCVIDR_PRESETS["published"]
    assert (preset.regression, preset.dose_response, preset.residual) == ("ols", "log", False)
