"""The networks find what is there, by the settings that they are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

import scpi
from scpi.model.clustering._components import principal_components
from scpi.model.clustering._networks import Encoder
from scpi.model.clustering._presets import CONTRASTIVE, SCDEEPCLUSTER, SCZIDESK

QUIET = {"accelerator": "cpu", "enable_progress_bar": False}
NETWORKS = ["ContrastiveSC", "SCDeepCluster", "SCZIDesk"]


def fit(name, adata, setup=None, *, train=None, **kwargs):
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata, **(setup or {}))
    model = cls(adata, **({"n_clusters": 2} | kwargs))
    model.train(**(QUIET | (train or {})))
    return model


@pytest.fixture(scope="module")
def weak():
    return scpi.datasets.splat(
        240, n_genes=500, group_prob=(0.5, 0.3, 0.2), de_prob=0.2, de_fac_scale=0.35, dropout_mid=0.0, rng=1234
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_groups_are_found_among_dropout(name, weak):
    model = fit(name, weak.copy(), n_clusters=3, n_steps=40, train={"max_cluster_epochs": 5})
    assert adjusted_rand_score(weak.obs["group"], model.predict()) > 0.95
    objective = model.history["objective_train"].to_numpy(dtype=float).ravel()
    assert objective[30] < objective[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_published_settings_learn(name, make_groups):
    model = fit(name, make_groups(), preset="published", train={"max_epochs": 20, "max_cluster_epochs": 2})
    objective = model.history["objective_train"].to_numpy(dtype=float).ravel()
    assert objective[15:20].mean() < objective[:3].mean()


def test_the_published_settings():
    assert CONTRASTIVE["published"].lr == 0.4
    assert (SCDEEPCLUSTER["published"].noise, SCZIDESK["published"].noise) == (2.5, 0.0)
    for presets in (CONTRASTIVE, SCDEEPCLUSTER, SCZIDESK):
        assert presets["published"].transform == "log"
        assert not presets["published"].data_init


def test_labels_pull_cells_together(make_groups):
    # Groups that the counts do not show
    adata = make_groups(fold=1.0)
    settings = {"n_steps": 150, "lr": 3e-3, "dropout": 0.3}
    supervised = fit("ContrastiveSC", adata.copy(), {"labels_key": "group"}, **settings)
    plain = fit("ContrastiveSC", adata.copy(), **settings)
    scores = [adjusted_rand_score(adata.obs["group"], model.predict()) for model in (supervised, plain)]
    assert scores[0] > 0.8 > 0.3 > scores[1]
    # New cells need no label.
    new = make_groups(fold=1.0, rng=1)
    del new.obs["group"]
    assert len(supervised.predict(new)) == new.n_obs


def test_weights_change_the_supervised_loss(make_groups):
    adata = make_groups()
    setup = {"labels_key": "group"}
    z = fit("ContrastiveSC", adata.copy(), setup, n_steps=3).get_latent_representation()
    weighted = fit("ContrastiveSC", adata.copy(), setup | {"weight_key": "weight"}, n_steps=3)
    assert not np.allclose(weighted.get_latent_representation(), z, atol=1e-5)
    new = adata.copy()
    del new.obs["weight"], new.obs["group"]
    assert len(weighted.predict(new)) == new.n_obs


def test_labels_must_be_there(make_groups):
    adata = make_groups()
    adata.obs.loc[adata.obs_names[:2], "group"] = np.nan
    with pytest.raises(ValueError, match="has no value for 2 cells"):
        scpi.model.ContrastiveSC.setup_anndata(adata, labels_key="group")
    with pytest.raises(KeyError, match="`labels_key` names 'cell_type', but"):
        scpi.model.ContrastiveSC.setup_anndata(adata, labels_key="cell_type")
    assert not adata.uns


class TestViews:
    x = torch.arange(1.0, 2001.0).reshape(4, 500)

    @pytest.fixture(autouse=True)
    def seeded(self):
        # Values of other cells may be those of the same cell: with few cells, chance decides how many change
        with torch.random.fork_rng():
            torch.manual_seed(0)
            yield

    def module(self, make_groups, **kwargs):
        adata = make_groups()
        scpi.model.ContrastiveSC.setup_anndata(adata)
        return scpi.model.ContrastiveSC(adata, **kwargs).module

    def test_most_genes_are_hidden_and_the_others_scaled_up(self, make_groups):
        view = self.module(make_groups).view(self.x)
        kept = view != 0
        assert 0.05 < kept.float().mean() < 0.15
        torch.testing.assert_close(view[kept], 10 * self.x[kept])

    def test_noise_is_added(self, make_groups):
        difference = self.module(make_groups, dropout=0.0, noise=0.5).view(self.x) - self.x
        assert float(difference.std()) == pytest.approx(0.5, rel=0.1)

    @pytest.mark.parametrize("augmentation", ["zero", "value", "noise"])
    def test_a_mask_changes_its_share_of_the_genes(self, make_groups, augmentation):
        module = self.module(
            make_groups, dropout=0.0, augmentation=augmentation, augmentation_share=0.2, augmentation_noise=50.0
        )
        view = module.view(self.x)
        changed = view != self.x
        assert 0.1 < changed.float().mean() < 0.3
        if augmentation == "zero":
            assert (view[changed] == 0).all()
        if augmentation == "value":
            # The value that the same gene has in another cell: here, equal up to multiples of 500.
            assert ((view - self.x)[changed] % 500 == 0).all()
        if augmentation == "noise":
            assert float((view - self.x)[changed].std()) == pytest.approx(50.0, rel=0.2)


def test_pretraining_stops_early(make_groups):
    model = fit("SCDeepCluster", make_groups(), patience=2, lr=0.5, train={"max_epochs": 400, "max_cluster_epochs": 1})
    assert len(model.history["reconstruction_train"]) < 200
    assert len(model.history["label_change"]) == 1
    # Without a second phase the training ends there.
    model = fit("ContrastiveSC", make_groups(), patience=2, lr=0.5, train={"max_epochs": 400})
    assert len(model.history["objective_train"]) < 400


def test_clustering_stops_when_labels_settle(make_groups):
    model = fit("SCDeepCluster", make_groups(fold=8.0), n_steps=30, train={"max_cluster_epochs": 100})
    changes = model.history["label_change"].to_numpy(dtype=float).ravel()
    assert len(changes) < 100
    assert changes[-1] <= 1e-3
    # At least one epoch is trained before the labels are compared.
    assert len(changes) >= 1


def test_the_contrastive_network_has_a_second_phase(make_groups):
    model = fit("ContrastiveSC", make_groups(), n_steps=5, tolerance=-1.0, train={"max_cluster_epochs": 3})
    assert len(model.history["kmeans_train"]) == 3
    assert adjusted_rand_score(make_groups().obs["group"], model.predict()) > 0.9


def test_the_negative_binomial_has_no_dropout(make_groups):
    model = fit("SCZIDesk", make_groups(), likelihood="nb", n_steps=2, train={"max_cluster_epochs": 1})
    assert model.module.decoder.dropout is None
    assert np.isfinite(model.history["reconstruction_train"].to_numpy(dtype=float)).all()


def test_components_are_those_of_an_exact_decomposition():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 20)) * np.linspace(5, 1, 20)).float()
    components, deviations = principal_components(x, 3)
    _, values, exact = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    torch.testing.assert_close((components * exact[:3].T).sum(0).abs(), torch.ones(3), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(deviations, values[:3] / 7.0, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_an_encoder_starts_as_the_projection_on_components(batch_norm):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 20))).float()
    components, _ = principal_components(x, 4)
    encoder = Encoder([20, 12, 10, 4], batch_norm=batch_norm)
    encoder.start_from(components, 2.0)
    if batch_norm:
        encoder.start_normalisation(x)
    encoder.eval()
    torch.testing.assert_close(encoder(x), x @ components / 2.0, atol=1e-4, rtol=1e-4)
