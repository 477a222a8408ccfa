from __future__ import annotations

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scpi

SETUP = {
    "batch_key": "batch",
    "categorical_covariate_keys": ["cell_type", "perturbation"],
    "continuous_covariate_keys": ["dose"],
    "labels_key": "cell_type",
}
SMALL = {"n_latent": 4, "encoder_hidden": (16,), "decoder_hidden": (16,)}
PRESETS = ["scpi", "scvi", "op3"]


def features(rng=0):
    names = ["control", "A", "B", "C", "D", "A+B", "B+A", "C+D", "E"]
    return pd.DataFrame(np.random.default_rng(rng).normal(size=(9, 5)), index=names)


@pytest.fixture(scope="module", params=PRESETS)
def preset(request):
    return request.param


@pytest.fixture(scope="module")
def model(preset, make_screen, build):
    kwargs = SMALL | {"preset": preset, "covariate_features": {"perturbation": features()}, "weighted_genes": ["g3"]}
    return build("NBVAE", make_screen(), kwargs, setup=SETUP, train={"max_epochs": 3})


def plan(**columns):
    rows = {"batch": "b1", "cell_type": ["T", "B"], "perturbation": "A", "dose": 1.0, "n_cells": 10}
    return pd.DataFrame(rows | columns)


def same(left, right):
    return (left.X != right.X).nnz == 0


def test_a_saved_model_generates_the_same(model, make_screen, tmp_path):
    model.save(tmp_path / "model")
    loaded = scpi.model.NBVAE.load(tmp_path / "model", make_screen())
    np.testing.assert_array_equal(loaded.get_latent_representation(), model.get_latent_representation())
    unseen = plan(perturbation="E")
    assert same(model.generate(unseen), loaded.generate(unseen))
    alone = scpi.model.NBVAE.load(tmp_path / "model", False)
    with pytest.raises(ValueError, match="loaded without data"):
        alone.generate(unseen)


def test_combinations_and_categories_that_were_not_measured(model):
    status = {name: set(model.generate(plan(perturbation=name)).obs["status"]) for name in ("A", "E")}
    assert status == {"A": {"trained"}, "E": {"unseen"}}
    with pytest.raises(ValueError, match="'perturbation' has no category 'F' in this model, which knows 'A', .*'E'"):
        model.generate(plan(perturbation="F"))
    with pytest.raises(ValueError, match="'batch' has no category 'b3'"):
        model.counterfactual(batch="b3")


def test_an_unseen_compound_is_read_by_its_features(make_screen, build):
    table = features()
    table.loc["E"] = table.loc["B"]
    model = build("NBVAE", make_screen(), SMALL | {"covariate_features": {"perturbation": table}}, setup=SETUP)
    expected = [model.generate(plan(perturbation=name), match=[], output="mean").X for name in ("B", "E", "C")]
    np.testing.assert_allclose(expected[0], expected[1], rtol=1e-5)
    assert not np.allclose(expected[0], expected[2], rtol=1e-5)


def test_cells_under_another_perturbation(model, make_screen):
    screen = make_screen(rng=1)
    made = model.counterfactual(screen, perturbation="E", dose=0.5)
    assert made.shape == screen.shape and set(made.obs["perturbation"]) == {"E"} and set(made.obs["dose"]) == {0.5}
    assert sparse.isspmatrix_csr(made.X) and (made.X.data % 1 == 0).all()


def test_expression_under_the_covariates_of_the_cells_and_others(model):
    own = model.get_normalized_expression(indices=[0, 1, 2], library_size=100)
    np.testing.assert_allclose(own.sum(1), 100, rtol=1e-4)
    label = model.adata.obs["perturbation"].iloc[0]
    one = model.get_normalized_expression(indices=[0], perturbation=label, library_size=100)
    np.testing.assert_allclose(one.iloc[0], own.iloc[0], rtol=1e-4)
    decoded = model.decoder_target(**model.adata.obs.iloc[0][["batch", "cell_type", "perturbation", "dose"]])
    z = torch.from_numpy(model.get_latent_representation(indices=[0]))
    np.testing.assert_allclose(decoded.function(z).exp().detach()[0] * 100, own.iloc[0], rtol=1e-3)


def test_labels_of_the_task_head(model):
    found = model.predict_labels(indices=np.arange(5))
    assert found.columns.tolist() == ["B", "T"]
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("kind", ["latent", "logit"])
def test_attributions_fix_the_covariates(model, kind):
    row = model.adata.obs.iloc[0][["batch", "cell_type", "perturbation", "dose"]]
    target = scpi.model.attribution_target(model, kind, **row)
    x = torch.from_numpy(model.adata.X[:1].toarray()).requires_grad_()
    found = target.function(target.transform(x))
    assert found.shape == (1, len(target.names))
    if kind == "latent":
        np.testing.assert_allclose(found.detach(), model.get_latent_representation(indices=[0]), rtol=1e-4)
    assert torch.autograd.grad(found[0, 0], x)[0].abs().sum() > 0
    with pytest.raises(ValueError, match="give a fixed value of 'batch', 'cell_type', 'perturbation'"):
        model.attribution_target(kind, dose=1.0)


def test_views_matrices_and_missing_genes(model, make_screen):
    screen = make_screen()
    z = model.get_latent_representation(screen.copy())
    np.testing.assert_allclose(model.get_latent_representation(screen[:7]), z[:7], rtol=1e-5)
    for form in (sparse.csc_matrix, np.asarray):
        other = screen.copy()
        other.X = form(other.X.toarray())
        np.testing.assert_allclose(model.get_latent_representation(other), z, rtol=1e-5)
    with pytest.raises(ValueError, match="lacks 1 of the 24 genes"):
        model.get_latent_representation(screen[:, :-1].copy())
    screen.X = screen.X * 0.5
    with pytest.raises(ValueError, match="counts"):
        model.get_latent_representation(screen)


def test_a_model_without_covariates(make_screen, build):
    model = build("NBVAE", make_screen(), SMALL)
    assert model.generate(pd.DataFrame({"n_cells": [12]})).n_obs == 12
    assert model.attribution_target("latent").names == [f"latent_{i}" for i in range(4)]
    with pytest.raises(ValueError, match="set up without labels"):
        model.predict_labels()
    with pytest.raises(ValueError, match="`kind` must be 'latent' or 'logit'"):
        model.attribution_target("change")


def test_size_factors(make_screen, build):
    model = build("NBVAE", make_screen(), SMALL, setup={"size_factor_key": "depth"})
    made = model.generate(pd.DataFrame({"n_cells": [300], "library": [500.0]}))
    assert made.X.sum() / 300 == pytest.approx(500, rel=0.05)


def test_mudata(make_screen, build, quiet):
    screen = make_screen()
    mdata = md.MuData({"rna": screen, "other": ad.AnnData(np.ones((screen.n_obs, 2)), obs=screen.obs[[]])})
    mdata.obs["cell_type"] = screen.obs["cell_type"]
    where = {"layer": "rna", "categorical_covariate_keys": "rna", "continuous_covariate_keys": "rna"}
    scpi.model.NBVAE.setup_mudata(
        mdata, categorical_covariate_keys=["cell_type"], continuous_covariate_keys=["dose"], modalities=where
    )
    model = scpi.model.NBVAE(mdata, **SMALL)
    model.train(max_epochs=1, **quiet)
    assert model.counterfactual(cell_type="B").n_obs == screen.n_obs
    with pytest.raises(KeyError, match="'dose' is not a column of `mdata.obs`, but of"):
        scpi.model.NBVAE.setup_mudata(mdata, continuous_covariate_keys=["dose"], modalities={"layer": "rna"})


def test_patience_counts_after_the_warm_up(make_screen, quiet):
    screen = make_screen()
    scpi.model.NBVAE.setup_anndata(screen)
    model = scpi.model.NBVAE(screen, preset="op3", kl_warmup=6, patience=1, lr=1e-9, **SMALL)
    model.train(max_epochs=20, validation_size=0.03, train_size=0.9, **quiet)
    # The loss rises with the weight of the divergence, and nothing is learned
    weight = model.history["kl_weight"].to_numpy(dtype=float).ravel()
    assert 7 <= len(weight) < 20
    start = 50e-5
    np.testing.assert_allclose(weight[:6], [start + (1 - start) * epoch / 6 for epoch in range(6)], rtol=1e-5)
    assert weight[6] == 1.0


def test_steps_bound_the_epochs_and_the_warm_up(make_screen, quiet):
    screen = make_screen()
    scpi.model.NBVAE.setup_anndata(screen)
    n_batches = -(-int(0.9 * screen.n_obs) // 16)
    model = scpi.model.NBVAE(screen, n_steps=8 * n_batches, batch_size=16, **SMALL)
    model.train(early_stopping=False, **quiet)
    weight = model.history["kl_weight"].to_numpy(dtype=float).ravel()
    np.testing.assert_allclose(weight, [0.0, 0.5, *[1.0] * 6])
    # A number of epochs that is given is taken as it is
    model = scpi.model.NBVAE(screen, n_steps=1, **SMALL)
    model.train(max_epochs=2, **quiet)
    np.testing.assert_allclose(model.history["kl_weight"].to_numpy(dtype=float).ravel(), [0.0, 1 / 50])


def test_an_effect_is_learned(quiet):
    adata = scpi.datasets.splat(400, n_genes=60, group_prob=(0.5, 0.5), de_prob=0.3, rng=0)
    scpi.model.NBVAE.setup_anndata(adata, categorical_covariate_keys=["group"])
    model = scpi.model.NBVAE(adata, n_latent=3)
    model.train(max_epochs=80, early_stopping=False, restore_best=False, batch_size=64, lr=5e-3, **quiet)
    first, second = (adata.obs["group"] == name for name in ("Group1", "Group2"))
    moved = model.counterfactual(indices=np.flatnonzero(first), group="Group2")

    def level(x):
        return np.log(np.asarray(x.sum(0)).ravel() / x.sum() + 1e-5)

    start = level(adata.X[first.to_numpy()])
    real, predicted = level(adata.X[second.to_numpy()]) - start, level(moved.X) - start
    assert np.corrcoef(real, predicted)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"preset": "vae"}, ValueError, "`preset` must be one of"),
        ({"n_units": 3}, TypeError, "`NBVAE` has no setting 'n_units'"),
        ({"weighted_genes": ["g1", "nope"]}, KeyError, "`weighted_genes` names 'nope'"),
        ({"covariate_features": {"drug": features()}}, KeyError, "has 'drug'"),
        ({"scale": "exp"}, ValueError, "`scale` must be one of"),
    ],
)
def test_bad_arguments(screen, kwargs, error, message):
    scpi.model.NBVAE.setup_anndata(screen, categorical_covariate_keys=["perturbation"])
    with pytest.raises(error, match=message):
        scpi.model.NBVAE(screen, **kwargs)


def test_bad_setups(screen):
    before = screen.copy()
    with pytest.raises(KeyError, match="names 'drug', but `obs` has no column 'drug'"):
        scpi.model.NBVAE.setup_anndata(screen, batch_key="batch", categorical_covariate_keys=["cell_type", "drug"])
    assert screen.obs.columns.equals(before.obs.columns) and not screen.obsm
    screen.X = screen.X * 0.3
    with pytest.raises(ValueError, match="Name the layer that holds them"):
        scpi.model.NBVAE.setup_anndata(screen)
