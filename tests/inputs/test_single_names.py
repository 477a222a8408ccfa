"""Arguments that take a list of names take one name as well, and give the same."""

from __future__ import annotations

import numpy as np
import pytest
from mudata import MuData

import scpi

from .compare import leaves
from .functions import Call, data, trained

# Function, argument, one name, and what else the call needs
CALLS = [
    ("de.limma", "reference", "b", {}),
    ("de.limma", "groups", "a", {}),
    ("de.limma", "covariates", "sample", {}),
    ("de.limma", "sample_key", "sample", {}),
    ("de.pseudobulk", "sample_key", "sample", {}),
    ("de.pseudobulk", "groupby", "group", {}),
    ("de.rank_genes", "groups", "a", {}),
    ("de.rank_genes", "covariates", "sample", {"method": "logistic"}),
    ("de.sample_expression", "genes", "g1", {}),
    ("tl.annotate_units", "obs_keys", "group", {}),
    ("tl.differential_activity", "groups", "a", {}),
    ("tl.differential_activity", "control", "b", {}),
    ("tl.enrichment", "groups", "a", {}),
    ("tl.guide_agreement", "control", "control", {}),
    ("tl.guide_agreement", "groups", "A", {}),
    ("tl.impact_contrast", "units", "first/1", {}),
    ("tl.perturbation_effect", "groups", "A", {}),
    ("tl.perturbation_features", "perturbations", "g3", {}),
    ("tl.predict_perturbation", "perturbation", "A+B", {}),
    ("tl.predict_perturbation", "context", "T", {}),
    ("tl.rank_genes_gradients", "groups", "a", {}),
    ("tl.rank_genes_gradients", "covariates", "sample", {}),
    ("tl.rank_genes_permutation", "groups", "a", {}),
    ("tl.responders", "groups", "A", {}),
    ("tl.saliency", "units", "first/1", {}),
    ("tl.score_prediction", "metrics", "rmse", {}),
    ("tl.score_prediction", "control", "control", {}),
]
SETUPS = [
    ("GeneProgramAE", "categorical_covariate_keys", "group", {}),
    ("GeneProgramAE", "continuous_covariate_keys", "dose", {}),
    ("NBVAE", "categorical_covariate_keys", "group", {}),
    ("NBVAE", "continuous_covariate_keys", "dose", {}),
    ("DGD", "categorical_covariate_keys", "group", {}),
    ("DGD", "continuous_covariate_keys", "dose", {}),
    ("CompositionModel", "categorical_covariate_keys", "group", {}),
    ("Additive", "control", "control", {"perturbation_key": "perturbation"}),
]


def same(one, other):
    """Whether two results have the same numbers and texts, apart from the record of the arguments."""
    one, other = (
        {path: leaf for path, leaf in leaves(found).items() if "params" not in path} for found in (one, other)
    )
    assert one.keys() == other.keys() and one
    for path, leaf in one.items():
        np.testing.assert_array_equal(leaf, other[path], err_msg=path)


@pytest.mark.parametrize(("name", "argument", "value", "more"), CALLS)
def test_functions_take_one_name(name, argument, value, more):
    adata = data()
    adata.obsm["X_scpi"] = np.asarray(adata.X[:, :3].todense())
    call = Call(name, adata)
    one, other = (leaves(call(**{argument: given}, **more)) for given in (value, [value]))
    same(one, other)


@pytest.mark.parametrize("kind", ["anndata", "mudata"])
@pytest.mark.parametrize(("name", "argument", "value", "more"), SETUPS)
def test_setups_take_one_name(name, argument, value, more, kind):
    cls, found = getattr(scpi.model, name), []
    for given in (value, [value]):
        adata = data()
        if name != "Additive":
            adata.X = adata.layers["counts"]
        if kind == "anndata":
            cls.setup_anndata(adata, **{argument: given}, **more)
        else:
            adata = MuData({"rna": adata})
            adata.obs = adata["rna"].obs.copy()
            cls.setup_mudata(adata, **{argument: given}, modalities={"layer": "rna"}, **more)
        found.append(cls(adata).registry["field_registries"])
    assert repr(found[0]) == repr(found[1])


def test_models_take_one_name():
    adata = data()
    model = trained("MultiTaskAE", adata, None)
    np.testing.assert_array_equal(model.encode_perturbations("A+B"), model.encode_perturbations(["A+B"]))
    model.restrict_to = "T"
    assert model.restrict_to == ["T"]
    programs = trained("GeneProgramAE", adata, "counts")
    one, other = (programs.get_normalized_expression(gene_list=genes) for genes in ("g1", ["g1"]))
    assert one.columns.tolist() == ["g1"] and one.equals(other)
    scpi.model.NBVAE.setup_anndata(adata, layer="counts")
    model = scpi.model.NBVAE(adata)
    model.train(1, accelerator="cpu", enable_progress_bar=False)
    assert model.get_normalized_expression(gene_list="g1").columns.tolist() == ["g1"]
    assert model.posterior_predictive_sample(gene_list="g1").shape[1] == 1
    weights = [scpi.model.NBVAE(adata, weighted_genes=genes)._gene_weights(["g1"]) for genes in ("g1", ["g1"])]
    assert weights[0].equal(weights[1])
