"""The explanation hook."""

from __future__ import annotations

import numpy as np
import pytest

import scpi
from scpi.model import MeanDelta, PerturbationGP


@pytest.fixture(scope="module")
def adata():
    return scpi.datasets.plant_screen(n_perturbations=3, n_cells=10)


def test_models_without_an_explanation_say_which_have_one(adata):
    MeanDelta.setup_anndata(adata)
    model = MeanDelta(adata)
    model.train()
    with pytest.raises(TypeError, match="MeanDelta cannot explain its predictions: explain those of a Pert"):
        model.explain(perturbation=model.perturbations_[0])


def test_the_parts_of_a_condition_are_found_in_any_spelling(adata):
    PerturbationGP.setup_anndata(adata)
    model = PerturbationGP(adata)
    with pytest.raises(RuntimeError, match="trained"):
        model.explain(perturbation=model.perturbations_[0])
    model.train()
    first, second = model.perturbations_[:2]
    a, b = (model.explain(perturbation=label).change for label in (f"{first}+{second}", f"{second}+{first}"))
    np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="'control' is the control"):
        model.explain(perturbation="control")
    with pytest.raises(ValueError, match="context"):
        model.explain(perturbation=first, context="T cell")
