from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scvi
import torch

import scpi
from scpi.model.base.generation._of_scvi import SCVIGeneration


@pytest.fixture(scope="module")
def adata(make_screen):
    screen = make_screen()
    screen.obs["log_dose"] = np.log1p(screen.obs["dose"])
    return screen


def trained(cls, adata, setup, **options):
    cls.setup_anndata(adata, **setup)
    model = cls(adata, n_latent=3, **options)
    model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    return model


SETUP = {
    "batch_key": "batch",
    "categorical_covariate_keys": ["cell_type", "perturbation"],
    "continuous_covariate_keys": ["log_dose"],
}


@pytest.mark.parametrize(
    ("cls", "likelihood", "setup"),
    [
        ("SCVI", "nb", SETUP),
        ("SCVI", "zinb", {}),
        ("SCVI", "poisson", {"categorical_covariate_keys": ["perturbation"], "size_factor_key": "depth"}),
        ("LinearSCVI", "nb", {"batch_key": "batch"}),
    ],
)
def test_rates_are_those_of_the_model(adata, cls, likelihood, setup):
    model = trained(getattr(scvi.model, cls), adata, setup, gene_likelihood=likelihood)
    generator = scpi.model.from_scvi(model)
    codes, values = generator._covariates_of(adata)
    z, sd = generator._posterior(adata, np.arange(5))
    np.testing.assert_allclose(z, model.get_latent_representation()[:5], rtol=1e-5)
    assert (sd > 0).all()
    with torch.inference_mode():
        tensors = next(iter(model._make_data_loader(adata, indices=np.arange(5), batch_size=5)))
        found = model.module.generative(
            **model.module._get_generative_input(
                tensors, {"z": torch.from_numpy(z), "library": tensors["X"].sum(1, keepdim=True).log()}
            )
        )["px"]
        rates = generator._rates(*(torch.from_numpy(part) for part in (z, codes[:5], values[:5])))
    mean = found.rate if likelihood == "poisson" else found.mu
    np.testing.assert_allclose(rates.fractions, mean / mean.sum(1, keepdim=True), rtol=1e-4)
    assert (rates.theta is None) == (likelihood == "poisson")
    if likelihood == "zinb":
        np.testing.assert_allclose(rates.dropout_logit, found.zi_logits, rtol=1e-4)


def test_covariates_and_generation(adata):
    model = trained(scvi.model.SCVI, adata, SETUP, gene_likelihood="nb", encode_covariates=True)
    generator = scpi.model.from_scvi(model)
    known = generator._covariates()
    assert known.names == ["batch", "cell_type", "perturbation", "log_dose"] and known.categories["cell_type"] == [
        "B",
        "T",
    ]
    plan = pd.DataFrame({"batch": ["b1"], "cell_type": "T", "perturbation": "C+D", "log_dose": 0.3, "n_cells": 20})
    made = generator.generate(plan)
    assert made.shape == (20, adata.n_vars) and made.uns["prediction"]["model"] == "SCVI"
    assert generator.generate(plan, latent="prior").n_obs == 20
    other = generator.counterfactual(adata[:10].copy(), perturbation="A")
    assert set(other.obs["perturbation"]) == {"A"}
    with pytest.raises(ValueError, match="'perturbation' has no category 'Z'"):
        generator.counterfactual(perturbation="Z")


def test_other_models_are_refused(adata):
    scpi.model.NoChange.setup_anndata(adata)
    with pytest.raises(TypeError, match="SCVI and LinearSCVI models of scvi-tools, not by NoChange"):
        scpi.model.from_scvi(scpi.model.NoChange(adata))
    scvi.model.SCVI.setup_anndata(adata)
    with pytest.raises(TypeError, match="likelihood 'normal'"):
        scpi.model.from_scvi(scvi.model.SCVI(adata, gene_likelihood="normal"))
    with pytest.raises(TypeError, match="dispersion of the SCVI model depends on labels"):
        scpi.model.from_scvi(scvi.model.SCVI(adata, gene_likelihood="nb", dispersion="gene-label"))
    assert issubclass(SCVIGeneration, scpi.model.base.generation._generation.Generation)
