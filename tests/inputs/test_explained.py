"""Explanations of predictions by all models that predict."""

from __future__ import annotations

import numpy as np
import pytest

import scpi
from scpi.model.base import ScreenModel

from .functions import SCREEN, data, layer_of, trained

MODELS = sorted(
    name
    for name in scpi.model.__all__
    if isinstance(getattr(scpi.model, name), type) and issubclass(getattr(scpi.model, name), ScreenModel)
)
EXPLAINED = {"PerturbationGP", "SENAVAE", "MultiTaskAE"}
BRIEF = {"n_null": 20, "min_size": 2}


@pytest.mark.parametrize("name", MODELS)
def test_models_that_predict_explain_or_say_that_they_do_not(name):
    adata = data()
    small = {"n_hidden": (16,), "n_latent": 4} if name == "MultiTaskAE" else {}
    model = trained(name, adata, layer_of(name), **small)
    if name not in EXPLAINED:
        with pytest.raises(TypeError, match=f"{name} cannot explain its predictions: explain those of a Per"):
            scpi.tl.explain_prediction(adata, model, "A")
        return
    if name == "PerturbationGP":
        with pytest.raises(ValueError, match="several contexts cannot be explained"):
            scpi.tl.explain_prediction(adata, model, "A")
        scpi.model.PerturbationGP.setup_anndata(adata, **SCREEN)
        model = scpi.model.PerturbationGP(adata)
        model.train()
    scpi.tl.explain_prediction(adata, model, ["A", "A+B"], **BRIEF)
    predicted = model.predict(perturbation="A", output="mean")
    change = np.asarray(predicted.X, dtype=float).mean(0) - predicted.uns["prediction"]["control_mean"]
    genes = scpi.get.explained_prediction(adata, "genes", perturbation="A")
    np.testing.assert_allclose(genes["change"], change, atol=1e-4)
    parts = scpi.get.explained_prediction(adata, perturbation="A+B")
    for _, own in parts.groupby("kind"):
        assert own["share"].sum() == pytest.approx(1.0, abs=1e-5)
    added = scpi.get.explained_prediction(adata, "contributions", perturbation="A")
    for kind in parts["kind"].unique():
        total = added[added["kind"].isin(["genes", kind])].groupby("gene", sort=False)["contribution"].sum()
        np.testing.assert_allclose(total, genes["change"], atol=1e-5)
