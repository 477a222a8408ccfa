from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import scpi

SETUP = {"batch_key": "batch"}


@pytest.fixture(scope="module")
def adata(make_screen):
    return make_screen(conditions={"control": 160, "A": 60, "B": 60, "C": 40, "D": 40, "A+B": 40, "C+D": 12})


@pytest.fixture(scope="module", params=["scpi", "zhang"])
def model(request, adata, build):
    options = {"likelihood": "nb", "preset": request.param, "seed": 0}
    return build("SENAVAE", adata.copy(), options, setup=SETUP, train={"max_epochs": 15, "held_out": ["C+D"]})


@pytest.mark.parametrize(
    ("label", "status"), [("control", "trained"), ("A", "trained"), ("C+D", "unseen combination"), ("A+B", "trained")]
)
def test_generated_cells_have_the_predicted_mean(model, adata, label, status):
    own = np.intersect1d(
        np.flatnonzero((adata.obs["perturbation"] == "control") & (adata.obs["batch"] == "b1")), model.train_indices
    )
    predicted = model.predict(perturbation=label, indices=own, output="mean").X.mean(0)
    plan = pd.DataFrame({"perturbation": [label], "batch": "b1", "n_cells": len(own)})
    expected = model.generate(plan, output="mean")
    assert set(expected.obs["status"]) == {status}
    np.testing.assert_allclose(expected.X.mean(0), predicted, rtol=0.05)
    drawn = model.generate(plan.assign(n_cells=4000))
    np.testing.assert_allclose(np.asarray(drawn.X.mean(0)).ravel(), expected.X.mean(0), rtol=0.12)
    same = model.counterfactual(indices=own, perturbation=label, output="mean")
    np.testing.assert_allclose(same.X.mean(0), predicted, rtol=0.05)


def test_the_noise_is_what_is_left_of_a_perturbed_cell(model, adata):
    cells = np.flatnonzero(adata.obs["perturbation"].isin(["control", "A+B"]))[:20]
    z, sd = model._posterior(model.adata, cells)
    with torch.inference_mode():
        design = model.encode_perturbations(adata.obs["perturbation"].iloc[cells])
        shift = model.module.intervention(torch.from_numpy(design)).numpy()
    np.testing.assert_allclose(z + shift, model.get_latent_representation(indices=cells), atol=1e-5)
    assert (sd > 0).all() and z.shape[1] == model.n_factors_


def test_the_prior_has_as_many_units_as_factors(model):
    plan = pd.DataFrame({"perturbation": ["A", "D+C"], "batch": "b2", "n_cells": 5})
    cells = model.generate(plan, latent="prior")
    assert cells.obs["status"].tolist() == ["trained"] * 5 + ["unseen combination"] * 5
    assert "source_cell" not in cells.obs


def test_a_normal_likelihood_is_refused(adata):
    logs = adata.copy()
    logs.X = logs.X.log1p()
    scpi.model.SENAVAE.setup_anndata(logs)
    with pytest.raises(
        ValueError, match="This SENAVAE has no likelihood of counts.*`likelihood='nb'`, or call `predict`"
    ):
        scpi.model.SENAVAE(logs, encoder="mlp").counterfactual(perturbation="A")
