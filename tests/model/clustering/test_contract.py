"""What holds for every clustering network."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest
import torch
from mudata import MuData
from scipy import sparse

import scpi

NETWORKS = ["ContrastiveSC", "SCDeepCluster", "SCZIDesk"]
TRAIN = {"max_epochs": 3, "max_cluster_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False}


def fit(name, data, setup=None, *, train=None, **kwargs):
    cls = getattr(scpi.model, name)
    (cls.setup_anndata if isinstance(data, ad.AnnData) else cls.setup_mudata)(data, **(setup or {}))
    model = cls(data, **({"n_clusters": 2} | kwargs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.train(**(TRAIN | (train or {})))
    return model


@pytest.fixture(scope="module", params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def before(make_groups):
    return make_groups()


@pytest.fixture(scope="module")
def adata(name, make_groups):
    # One for each network: a model's keys must not be found by another's tests.
    return make_groups()


@pytest.fixture(scope="module")
def model(name, adata):
    return fit(name, adata)


@pytest.fixture(scope="module")
def z(model):
    return model.get_latent_representation()


def test_every_clustering_network_is_here():
    from scpi.model import clustering

    assert sorted({*clustering.__all__} - {"ClusteringModel"}) == sorted(NETWORKS)


class TestContract:
    def test_training_makes_a_trained_model(self, name, model, capsys):
        assert model.is_trained
        print(model)
        assert name in capsys.readouterr().out
        assert model.clusters_ == ["0", "1"]
        assert model.n_clusters_ == 2
        assert model.module.centroids.shape == (2, 16)
        assert len(model.history["objective_train"]) == 4
        assert model.history["label_change"].shape == (1, 1)

    def test_the_data_keeps_all_but_the_keys_of_the_setup(self, model, adata, before):
        assert set(adata.uns) == {"_scvi_uuid", "_scvi_manager_uuid"}
        assert adata.obs.equals(before.obs)
        np.testing.assert_array_equal(adata.X.toarray(), before.X.toarray())

    def test_an_embedding_is_finite_and_deterministic(self, model, adata, z):
        assert z.shape == (adata.n_obs, 16)
        assert z.dtype == np.float32
        assert np.isfinite(z).all()
        np.testing.assert_array_equal(model.get_latent_representation(), z)

    def test_a_cell_is_embedded_by_itself(self, model, z):
        # In evaluation mode batch normalisation knows no batch, and there is no noise.
        np.testing.assert_allclose(model.get_latent_representation(batch_size=7), z, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(model.get_latent_representation(indices=[5, 2]), z[[5, 2]], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(model.get_latent_representation(indices=[3]), z[[3]], rtol=1e-5, atol=1e-5)
        assert model.get_latent_representation(indices=[]).shape == (0, 16)

    def test_clusters_are_the_likeliest(self, model, adata, z):
        labels, soft = model.predict(), model.predict(soft=True)
        assert soft.index.equals(adata.obs_names)
        assert soft.columns.tolist() == model.clusters_
        np.testing.assert_allclose(soft.sum(axis=1), 1.0)
        np.testing.assert_array_equal(soft.columns.to_numpy()[soft.to_numpy().argmax(1)], labels)
        # Every network assigns to the nearest centroid.
        centroids = model.module.centroids.detach().numpy()
        distances = np.square(z[:, None] - centroids).sum(2)
        np.testing.assert_array_equal(labels, distances.argmin(1).astype(str))
        assert model.predict(soft=True, indices=[4, 1]).index.tolist() == ["cell4", "cell1"]

    def test_a_mask_chooses_cells(self, model, z):
        mask = np.arange(len(z)) % 3 == 0
        np.testing.assert_allclose(model.get_latent_representation(indices=mask), z[mask], atol=1e-5)
        assert len(model.predict(indices=mask)) == mask.sum()
        assert len(model.predict(soft=True, indices=mask)) == mask.sum()

    def test_a_saved_model_gives_the_same(self, name, model, before, z, tmp_path):
        model.save(tmp_path / "m", save_anndata=True)
        cls = getattr(scpi.model, name)
        for loaded in (cls.load(tmp_path / "m"), cls.load(tmp_path / "m", adata=before.copy())):
            np.testing.assert_array_equal(loaded.get_latent_representation(), z)
            np.testing.assert_array_equal(loaded.predict(), model.predict())
            assert loaded.clusters_ == model.clusters_
        empty = cls.load(tmp_path / "m", adata=False)
        with pytest.raises(ValueError, match="loaded without data"):
            empty.predict()
        with pytest.raises(ValueError, match="no data to train on"):
            empty.train(1)
        np.testing.assert_array_equal(empty.get_latent_representation(before.copy()), z)

    @pytest.mark.parametrize("convert", [sparse.csc_matrix, sparse.csr_array, lambda x: x.toarray()])
    def test_the_format_does_not_matter(self, model, before, z, convert):
        other = before.copy()
        other.X = convert(other.X)
        np.testing.assert_allclose(model.get_latent_representation(other), z, atol=1e-4)

    @pytest.mark.parametrize("dtype", [np.int32, np.float64, np.int64])
    def test_the_type_does_not_matter(self, model, before, z, dtype):
        other = before.copy()
        other.X = other.X.astype(dtype)
        np.testing.assert_allclose(model.get_latent_representation(other), z, atol=1e-4)

    def test_new_cells_and_views(self, model, before, z):
        view = before[10:20]
        np.testing.assert_allclose(model.get_latent_representation(view), z[10:20], atol=1e-4)
        assert view.is_view
        assert "_scvi_uuid" not in before.uns

    def test_other_genes_are_refused(self, model, before):
        with pytest.raises(ValueError, match=r"lacks 1 of the 40 genes.*'g3'"):
            model.predict(before[:, before.var_names != "g3"].copy())
        with pytest.raises(ValueError, match="in its order"):
            model.predict(before[:, ::-1].copy())

    def test_what_is_no_count_is_refused(self, name, model, before):
        bad = before.copy()
        bad.X.data[0] = 0.5
        with pytest.raises(ValueError, match="fractional") as error:
            model.predict(bad)
        assert "likelihood" not in str(error.value).partition("raw counts")[2]
        cls = getattr(scpi.model, name)
        for value, text in ((0.5, "fractional"), (-1.0, "negative"), (np.nan, "NaN")):
            bad = before.copy()
            bad.X.data[0] = value
            with pytest.raises(ValueError, match=text):
                cls.setup_anndata(bad)
            assert not bad.uns

    def test_words_are_no_counts(self, name, before):
        bad = ad.AnnData(np.full((3, 2), "a"))
        with pytest.raises(TypeError, match="must hold numbers"):
            getattr(scpi.model, name).setup_anndata(bad)

    def test_a_seed_gives_the_same_model(self, name, before, z):
        torch.manual_seed(99)
        state = torch.get_rng_state()
        again = fit(name, before.copy())
        np.testing.assert_array_equal(again.get_latent_representation(), z)
        assert torch.equal(torch.get_rng_state(), state)
        assert not np.allclose(fit(name, before.copy(), seed=1).get_latent_representation(), z, atol=1e-4)

    def test_the_format_of_the_training_data_does_not_matter(self, name, before, z):
        other = before.copy()
        other.X = sparse.csc_matrix(other.X)
        np.testing.assert_array_equal(fit(name, other).get_latent_representation(), z)

    @pytest.mark.parametrize("kind", ["margin", "logit", "latent"])
    def test_a_target_is_what_the_model_computes(self, model, adata, z, kind):
        target = model.attribution_target(kind)
        x = target.transform(torch.from_numpy(adata.X.toarray()))
        out = target.function(x).detach().numpy()
        logits = model.module.logits(torch.from_numpy(z)).detach().numpy()
        expected = {"latent": z, "logit": logits, "margin": logits - logits[:, ::-1]}[kind]
        np.testing.assert_allclose(out, expected, atol=1e-3, rtol=1e-3)
        assert len(target.names) == out.shape[1]
        np.testing.assert_allclose(target.head(x @ target.projection).detach().numpy(), out, atol=1e-4, rtol=1e-4)

    def test_a_target_has_gradients_and_no_noise(self, model, adata):
        target = model.attribution_target()
        x = target.transform(torch.from_numpy(adata.X.toarray())).requires_grad_()
        (first,) = torch.autograd.grad(target.function(x)[:, 0].sum(), x)
        (second,) = torch.autograd.grad(target.function(x)[:, 0].sum(), x)
        assert torch.equal(first, second)
        assert first.abs().sum() > 0
        # One cell alone has the gradient that it has among others.
        one = x[:1].detach().requires_grad_()
        (alone,) = torch.autograd.grad(target.function(one)[:, 0].sum(), one)
        torch.testing.assert_close(alone, first[:1], rtol=1e-3, atol=1e-5)

    def test_an_unknown_target_is_refused(self, model):
        with pytest.raises(ValueError, match="must be 'margin', 'logit' or 'latent'"):
            model.attribution_target("factor")

    def test_a_model_must_be_trained(self, name, make_groups):
        adata = make_groups()
        cls = getattr(scpi.model, name)
        cls.setup_anndata(adata)
        model = cls(adata)
        for call in (model.get_latent_representation, model.predict, model.attribution_target):
            with pytest.raises(RuntimeError, match="not been trained|trained"):
                call()

    def test_a_model_without_a_number_of_clusters_finds_and_saves_one(self, name, before, tmp_path):
        model = fit(name, before.copy(), n_clusters=None, train={"max_epochs": 10})
        assert model.n_clusters_ == 2
        model.save(tmp_path / "m")
        loaded = getattr(scpi.model, name).load(tmp_path / "m", adata=before.copy())
        np.testing.assert_array_equal(loaded.predict(), model.predict())

    def test_numbers_of_clusters_that_cannot_be(self, name, make_groups):
        adata = make_groups(n_cells=6)
        cls = getattr(scpi.model, name)
        cls.setup_anndata(adata)
        with pytest.raises(ValueError, match="at least 2, or None to find it, got 1"):
            cls(adata, n_clusters=1)
        with pytest.raises(ValueError, match="6 cells are too few for 7 clusters"):
            cls(adata, n_clusters=7)
        model = cls(adata, n_clusters=5)
        with pytest.raises(ValueError, match="3 cells are too few for 5 clusters"):
            model.train(train_size=0.5)
        with pytest.raises(ValueError, match="`find_clusters` must be"):
            cls(adata, find_clusters="elbow")

    def test_genes_and_cells_without_counts_do_no_harm(self, name, make_groups):
        adata = make_groups()
        x = adata.X.toarray()
        x[:, 30:] = 0.0
        x[:3] = 0.0
        adata.X = sparse.csr_matrix(x)
        for preset in ("scpi", "published"):
            model = fit(name, adata.copy(), preset=preset)
            assert np.isfinite(model.get_latent_representation()).all()
            assert np.isfinite(model.predict(soft=True).to_numpy()).all()

    def test_no_batch_has_a_single_cell(self, name, make_groups):
        # 41 cells in batches of 40 would leave one over, which batch normalisation cannot take.
        model = fit(name, make_groups(n_cells=41), train={"batch_size": 40})
        assert np.isfinite(model.get_latent_representation()).all()
        with pytest.raises(ValueError, match="`batch_size` must be at least 2"):
            fit(name, make_groups(n_cells=41), train={"batch_size": 1})

    def test_validation_cells_are_not_trained_on(self, name, make_groups):
        model = fit(name, make_groups(), train={"train_size": 0.8})
        assert len(model.train_indices) == 48
        assert len(model.validation_indices) == 12
        assert np.isfinite(model.history["objective_validation"].to_numpy(dtype=float)).all()
        assert len(model.predict()) == 60

    def test_size_factors_and_layers(self, name, make_groups, before, z):
        adata = make_groups()
        adata.layers["counts"] = adata.X.copy()
        adata.X = adata.X / 2
        model = fit(name, adata, {"layer": "counts", "size_factor_key": "depth"})
        np.testing.assert_allclose(model.get_latent_representation(), z, atol=1e-4)
        with pytest.raises(KeyError, match="depth"):
            model.predict(ad.AnnData(adata.X, layers={"counts": adata.layers["counts"]}, var=adata.var))

    def test_a_mudata_gives_the_same(self, name, make_groups, z):
        mdata = MuData({"rna": make_groups()})
        mdata.obs["depth"] = mdata["rna"].obs["depth"]
        model = fit(name, mdata, {"modalities": {"layer": "rna"}, "size_factor_key": "depth"})
        np.testing.assert_allclose(model.get_latent_representation(), z, atol=1e-4)
        assert model.predict(soft=True).shape == (60, 2)

    def test_training_goes_on(self, name, before, z):
        model = fit(name, before.copy())
        model.train(**TRAIN)
        assert not np.allclose(model.get_latent_representation(), z, atol=1e-4)
        assert len(model.predict()) == 60

    def test_preset_arguments(self, name, before):
        adata = before.copy()
        cls = getattr(scpi.model, name)
        cls.setup_anndata(adata)
        assert cls(adata, n_latent=3).module.centroids.shape == (0, 3)
        with pytest.raises(ValueError, match=r"`preset` must be one of \['published', 'scpi'\]"):
            cls(adata, preset="best")
        with pytest.raises(TypeError, match=r"has no setting 'dropuot'"):
            cls(adata, dropuot=0.5)
        for wrong in ({"n_latent": 0}, {"transform": "sqrt"}, {"lr": 0.0}, {"batch_size": 1}):
            with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must be"):
                cls(adata, **wrong)
        with pytest.raises(ValueError, match="`max_epochs` must be at least 1"):
            cls(adata).train(max_epochs=0)
