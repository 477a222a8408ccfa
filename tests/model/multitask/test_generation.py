from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scpi

SETUP = {"context_key": "cell_type", "dose_key": "dose"}


@pytest.fixture(scope="module")
def adata(make_screen):
    screen = make_screen(conditions={"control": 160, "A": 60, "B": 60, "C": 40, "D": 40, "A+B": 40})
    # B was not measured in the T cells
    return screen[~((screen.obs["perturbation"] == "B") & (screen.obs["cell_type"] == "T"))].copy()


@pytest.fixture(scope="module")
def model(adata, build):
    small = {"n_hidden": (32,), "n_latent": 8, "likelihood": "nb", "seed": 0}
    return build("MultiTaskAE", adata, small, setup=SETUP, train={"max_epochs": 30})


@pytest.mark.parametrize(
    ("label", "status"), [("control", "trained"), ("A", "trained"), ("B", "unseen combination"), ("A+B", "trained")]
)
def test_generated_cells_have_the_predicted_mean(model, adata, label, status):
    own = np.intersect1d(
        np.flatnonzero((adata.obs["perturbation"] == "control") & (adata.obs["cell_type"] == "T")), model.train_indices
    )
    predicted = model.predict(perturbation=label, indices=own, dose=1.0, output="mean").X.mean(0)
    plan = pd.DataFrame({"perturbation": [label], "cell_type": "T", "dose": 1.0, "n_cells": len(own)})
    expected = model.generate(plan, output="mean")
    assert set(expected.obs["status"]) == {status}
    np.testing.assert_allclose(expected.X.mean(0), predicted, rtol=0.08)
    drawn = model.generate(plan.assign(n_cells=4000))
    np.testing.assert_allclose(np.asarray(drawn.X.mean(0)).ravel(), expected.X.mean(0), rtol=0.12)
    same = model.counterfactual(indices=own, perturbation=label, dose=1.0, output="mean")
    np.testing.assert_allclose(same.X.mean(0), predicted, rtol=0.04)


def test_latent_units_are_those_before_the_perturbation(model, adata):
    cells = np.flatnonzero(adata.obs["perturbation"].isin(["control", "A"]))[:30]
    z, sd = model._posterior(adata, cells)
    shifts = model._shifts(adata, cells, model._covariates_of(adata, cells).values)
    np.testing.assert_allclose(z, model.get_latent_representation(indices=cells) - shifts, atol=1e-5)
    assert not sd.any() and np.abs(shifts).max() > 0
    control = model.module.kept.profiles().control
    np.testing.assert_array_equal(model._control_units(adata, 1), control[1])


def test_cells_in_another_context_are_nearer_to_it(model, adata):
    contexts = [
        np.flatnonzero((adata.obs["perturbation"] == "control") & (adata.obs["cell_type"] == name)) for name in "BT"
    ]
    moved = model.counterfactual(indices=contexts[0], cell_type="T", output="mean")
    assert set(moved.obs["cell_type"]) == {"T"}
    own, other = (np.asarray(adata.X[cells].mean(0)).ravel() for cells in contexts)
    error = np.abs(moved.X.mean(0) - other).mean()
    assert error < 0.5 * np.abs(own - other).mean()


def test_what_is_refused(model, adata, build):
    plan = pd.DataFrame({"perturbation": ["A"], "cell_type": "T", "dose": 1.0, "n_cells": 1})
    with pytest.raises(ValueError, match="MultiTaskAE decodes changes of control cells.*'posterior'"):
        model.generate(plan, latent="prior")
    with pytest.raises(KeyError, match="lacks 'dose'"):
        model.generate(plan.drop(columns="dose"))
    logs = adata.copy()
    logs.X = logs.X.log1p()
    scpi.model.MultiTaskAE.setup_anndata(logs, **SETUP)
    with pytest.raises(ValueError, match="This MultiTaskAE has no likelihood of counts"):
        scpi.model.MultiTaskAE(logs, n_hidden=(8,), n_latent=2).generate(plan)
