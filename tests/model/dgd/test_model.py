from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from mudata import MuData
from scipy import sparse, stats
from sklearn.metrics import adjusted_rand_score

import scpi
from scpi.model.dgd._presets import PRESETS


def dense(x):
    return x.toarray() if sparse.issparse(x) else x.copy()


@pytest.fixture(scope="module")
def model(cells, train):
    return train(cells.copy(), max_epochs=60)


def test_groups_are_found_without_labels(model, cells):
    table = model.get_component_assignments()
    assert table.columns.tolist() == model.components_ == ["0", "1", "2"]
    assert table.index.equals(cells.obs_names)
    np.testing.assert_allclose(table.sum(1), 1.0, rtol=1e-5)
    assert adjusted_rand_score(cells.obs["group"], table.idxmax(axis=1)) > 0.95
    weights = model.module.mixture.weights.detach().numpy()
    np.testing.assert_allclose(np.sort(weights), [0.2, 0.3, 0.5], atol=0.1)
    assert model.get_component_assignments(indices=[3, 8]).equals(table.iloc[[3, 8]])


def test_losses_fall(model):
    for name in ("objective_train", "reconstruction_train", "reconstruction_validation"):
        loss = model.history[name].iloc[:, 0].astype(float)
        assert loss.iloc[-1] < loss.iloc[0], name


def test_cells_that_were_left_out_of_the_training_are_represented_too(model, cells):
    loss = model.get_cell_loss()
    left_out = np.setdiff1d(np.arange(cells.n_obs), model.train_indices)
    assert len(left_out) == 24
    assert loss[left_out].mean() < 1.05 * loss[model.train_indices].mean()


def test_expression_is_fractions_of_a_cell(model, cells):
    table = model.get_normalized_expression(library_size=100.0)
    np.testing.assert_allclose(table.sum(1), 100.0, rtol=1e-4)
    some = model.get_normalized_expression(indices=[4], gene_list=["Gene7", "Gene2"])
    np.testing.assert_allclose(some, table.loc[[cells.obs_names[4]], ["Gene7", "Gene2"]] / 100.0, rtol=1e-4)
    with pytest.raises(KeyError, match="no gene 'Nothing'"):
        model.get_normalized_expression(gene_list=["Nothing"])
    # The loss is that of counts around it
    counts = dense(cells.X)
    mean = table.to_numpy() / 100.0 * counts.sum(1, keepdims=True)
    theta = model.module.theta.detach().numpy()
    expected = -stats.nbinom.logpmf(counts, theta, theta / (theta + mean)).sum(1)
    np.testing.assert_allclose(model.get_cell_loss(), expected, rtol=1e-4)


def test_the_same_seed_gives_the_same_model(cells, train):
    one, two, other = (train(cells.copy(), max_epochs=3, **seed) for seed in ({"seed": 0}, {"seed": 0}, {"seed": 1}))
    np.testing.assert_array_equal(one.get_latent_representation(), two.get_latent_representation())
    assert not np.array_equal(one.get_latent_representation(), other.get_latent_representation())


@pytest.mark.parametrize("n_each", [1, 2])
def test_labels_have_components_of_their_own(cells, train, n_each):
    adata = cells.copy()
    labels = adata.obs["group"].astype(str).to_numpy()
    hidden = np.random.default_rng(0).random(adata.n_obs) < 0.5
    adata.obs["known"] = np.where(hidden, "?", labels)
    setup = {"labels_key": "known", "unlabeled_category": "?"}
    model = train(adata, setup, max_epochs=40, n_components_per_label=n_each)
    names = sorted(set(labels))
    assert model.components_ == (names if n_each == 1 else [f"{name}_{i}" for name in names for i in range(2)])
    found = model.get_component_assignments().T.groupby(lambda name: name.split("_")[0]).sum().T.idxmax(axis=1)
    assert (found == labels)[hidden].mean() > 0.95
    assert (found == labels)[~hidden].mean() > 0.95
    with pytest.raises(ValueError, match=r"set `n_components_per_label`, or `supervise='head'`"):
        scpi.model.DGD(adata, n_components=3)


def test_labels_can_be_predicted_instead(cells, train):
    model = train(
        cells.copy(), {"labels_key": "group"}, max_epochs=40, supervise="head", task_weight=20.0, batch_size=24
    )
    with torch.no_grad():
        logits = model.module.head(model.module.representations.weight).numpy()
    assert (np.array(model.labels_)[logits.argmax(1)] == cells.obs["group"].astype(str)).mean() > 0.95
    assert "task_train" in model.history


def test_a_covariate_need_not_be_in_the_representations(cells, train):
    rng = np.random.default_rng(0)
    adata = cells.copy()
    adata.obs["plate"] = pd.Categorical(rng.choice(["p", "q"], adata.n_obs))
    factor = np.exp(rng.normal(0.0, 1.0, adata.n_vars))
    counts = dense(adata.X)
    adata.X = rng.poisson(np.where((adata.obs["plate"] == "q").to_numpy()[:, None], factor, 1.0) * counts).astype(
        np.float32
    )
    apart = []
    for setup in ({"batch_key": "plate"}, None):
        z = train(adata, setup, max_epochs=40, n_components=3).get_latent_representation()
        code = adata.obs["plate"].cat.codes.to_numpy()
        apart.append(max(abs(np.corrcoef(code, column)[0, 1]) for column in z.T))
    assert apart[0] < 0.4 < 0.7 < apart[1]


def test_settings_of_the_publication(cells, train):
    preset = PRESETS["published"]
    assert (preset.n_latent, preset.n_hidden, preset.activation, preset.library) == (20, (100,) * 3, "softplus", "sum")
    assert (preset.radius, preset.hardness, preset.component_sd, preset.sd_spread) == (1.0, 1.0, None, 1.0)
    assert (preset.concentration, preset.prior_weight, preset.start, preset.update) == (
        1.0,
        "per_sample",
        "zeros",
        "epoch",
    )
    assert (preset.lr, preset.representation_lr, preset.mixture_lr) == (1e-3, 1e-2, 1e-2)
    assert (preset.decoder_betas, preset.betas, preset.weight_decay) == ((0.5, 0.7), (0.5, 0.7), 1e-4)
    assert (preset.batch_size, preset.max_epochs, preset.posterior) == (256, 500, "point")
    model = train(cells.copy(), preset="published", n_components=3, max_epochs=30)
    sd = 0.2 / 3
    assert model.module.mixture.log_precision_mean == pytest.approx(-2 * np.log(sd))
    loss = model.history["reconstruction_train"].iloc[:, 0].astype(float)
    assert loss.iloc[-1] < loss.iloc[0]
    assert model.module.mixture.n_components == 3
    # Representations made one step of the learning rate in an epoch at most
    assert np.abs(model.module.representations.weight.detach().numpy()[model.train_indices]).max() < 30 * 0.01 * 2


def test_the_mixture_is_stored_with_the_cells(model, tmp_path):
    adata = model.adata.copy()
    model.write_mixture(adata, key_added="groups")
    stored = adata.uns["groups"]
    np.testing.assert_array_equal(adata.obsm["X_groups"], model.get_latent_representation())
    assert (adata.obs["groups"].astype(str) == model.get_component_assignments().idxmax(axis=1)).all()
    np.testing.assert_allclose(stored["means"], model.module.mixture.means.detach().numpy())
    np.testing.assert_allclose(stored["variances"], model.module.mixture.variances.detach().numpy())
    np.testing.assert_allclose(stored["weights"].sum(), 1.0, rtol=1e-5)
    assert stored["axes"].shape == (5, 2)
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert ad.read_h5ad(tmp_path / "a.h5ad").uns["groups"]["names"].tolist() == ["0", "1", "2"]
    with pytest.raises(ValueError, match="key_added"):
        model.write_mixture(key_added="a/b")


def test_cells_are_generated_from_the_mixture(model, cells):
    plan = pd.DataFrame({"n_cells": [400], "library": [1000.0]})
    drawn = model.generate(plan, latent="prior")
    fractions = np.asarray(drawn.X.mean(0)).ravel() / 1000.0
    counts = dense(cells.X)
    expected = (counts / counts.sum(1, keepdims=True)).mean(0)
    assert np.corrcoef(fractions, expected)[0, 1] > 0.97
    assert drawn.X.sum() / 400 == pytest.approx(1000.0, rel=0.05)


def test_a_mudata_is_read_as_its_modality(cells, train):
    plain = train(cells.copy(), {"batch_key": "batch"}, max_epochs=2)
    mdata = MuData({"rna": cells.copy(), "protein": ad.AnnData(np.ones((cells.n_obs, 1)), obs=cells.obs[[]])})
    scpi.model.DGD.setup_mudata(mdata, batch_key="batch", modalities={"layer": "rna", "batch_key": "rna"})
    model = scpi.model.DGD(mdata, n_latent=5)
    model.train(2, accelerator="cpu", enable_progress_bar=False)
    np.testing.assert_array_equal(model.get_latent_representation(), plain.get_latent_representation())


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "`n_components` must be at least 1"),
        ({"n_components_per_label": 0}, ValueError, "`n_components_per_label` must be at least 1"),
        ({"activation": "relu"}, ValueError, "`activation` must be one of"),
        ({"radius": 0.0}, ValueError, "`radius` must be above 0"),
        ({"n_units": 3}, TypeError, "`DGD` has no setting 'n_units'"),
        ({"preset": "scdgd"}, ValueError, r"`preset` must be one of \['published', 'scpi'\]"),
    ],
)
def test_arguments_of_the_model(cells, kwargs, error, message):
    adata = cells.copy()
    scpi.model.DGD.setup_anndata(adata)
    with pytest.raises(error, match=message):
        scpi.model.DGD(adata, **kwargs)


def test_values_that_are_no_counts_are_refused(cells):
    adata = cells.copy()
    adata.X = adata.X * 0.5
    with pytest.raises(ValueError, match="fractional"):
        scpi.model.DGD.setup_anndata(adata)


def test_empty_cells_and_silent_genes_are_read(cells, train):
    adata = cells.copy()
    x = dense(adata.X)
    x[:3], x[:, 5] = 0.0, 0.0
    adata.X = sparse.csr_matrix(x)
    for activation in ("softmax", "softplus", "sigmoid"):
        model = train(adata, max_epochs=2, activation=activation)
        assert np.isfinite(model.get_latent_representation()).all()
        assert np.isfinite(model.get_cell_loss(adata[:5].copy())).all()
