"""Training and predictions that SCGEN and SCVIDR share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping

import scpi
from scpi.model.latent_shift._presets import SCGEN_PRESETS


@pytest.fixture(scope="module")
def adata(make_contexts):
    return make_contexts()


@pytest.fixture(scope="module")
def model(linear_model, adata):
    return linear_model("SCGEN", adata)


def test_the_latent_means_of_the_training_cells_are_kept(linear_model, make_contexts):
    adata = make_contexts()
    model = linear_model("SCVIDR", adata)
    z = adata.X @ model.module.z_encoder.mean_encoder.weight.numpy()
    profiles = model.module.kept.profiles()
    label, context = (adata.obs[key].to_numpy() for key in ("perturbation", "context"))
    expected = [z[(label == "control") & (context == name)].mean(0) for name in "abcde"]
    np.testing.assert_allclose(profiles.control, expected, atol=1e-4)
    pairs = zip(profiles.context, profiles.design, strict=True)
    names = [("+".join(np.array(["x", "y"])[doses > 0]), "abcde"[code]) for code, doses in pairs]
    expected = [z[(label == name) & (context == of)].mean(0) for name, of in names]
    np.testing.assert_allclose(profiles.treated, expected, atol=1e-4)
    np.testing.assert_allclose(model.module.kept.array("latent_least"), z.min(0), atol=1e-4)
    np.testing.assert_allclose(model.module.kept.array("latent_most"), z.max(0), atol=1e-4)


def test_cells_of_several_contexts_each_move_by_the_shift_of_their_own(linear_model, make_contexts):
    adata = make_contexts()
    model = linear_model("SCVIDR", adata)
    predicted = model.predict(
        perturbation="x", indices=np.flatnonzero(adata.obs["perturbation"] == "control"), output="mean"
    )
    assert set(adata.obs.loc[predicted.obs["source_cell"], "context"]) == set("abcde")
    source = adata[predicted.obs["source_cell"].to_numpy()]
    for name in "abcde":
        own = (source.obs["context"] == name).to_numpy()
        shift = model.get_shift(perturbation="x", context=name) @ model.module.decoder.weight.numpy()
        np.testing.assert_allclose((predicted.X - source.X)[own], np.tile(shift, (own.sum(), 1)), atol=1e-4)


def test_targets_of_attributions(model, adata):
    x = torch.from_numpy(adata.X[:5])
    latent = model.attribution_target("latent")
    np.testing.assert_allclose(latent.function(latent.transform(x)), model.get_latent_representation(indices=range(5)))
    assert latent.names[:2] == ["latent_0", "latent_1"]
    moved = model.attribution_target("change", perturbation="x")
    expected = model.get_shift(perturbation="x") @ model.module.decoder.weight.numpy()
    np.testing.assert_allclose(moved.function(x), np.tile(expected, (5, 1)), atol=1e-4)
    decoder = model.decoder_target()
    np.testing.assert_allclose(decoder.function(latent.function(x)), x, atol=1e-4)
    for kind in ("change", "unit"):
        with pytest.raises(ValueError, match="'latent', or 'change' with a `perturbation`"):
            model.attribution_target(kind)


class TestResidual:
    def test_published_predictions_lack_what_the_network_does_not_reconstruct(self, linear_model, make_contexts):
        adata = make_contexts()
        for residual in (True, False):
            model = linear_model("SCGEN", adata, residual=residual)
            # A decoder that is wrong by 1 everywhere
            model.module.decoder = torch.nn.Sequential(model.module.decoder, _Plus(1.0))
            predicted = model.predict(perturbation="control", context="a", output="mean")
            start = adata.to_df().loc[predicted.obs["source_cell"]].to_numpy()
            np.testing.assert_allclose(predicted.X - start, 0.0 if residual else 1.0, atol=1e-4)

    def test_no_change_leaves_cells_as_they_are(self, model, adata):
        predicted = model.predict(perturbation="control", output="mean")
        np.testing.assert_array_equal(predicted.X, adata.to_df().loc[predicted.obs["source_cell"]].to_numpy())


class _Plus(torch.nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return x + self.value


class TestTraining:
    def test_it_stops_by_the_weighted_objective(self, make_contexts, quiet):
        adata = make_contexts()
        scpi.model.SCGEN.setup_anndata(adata, context_key="context")
        model = scpi.model.SCGEN(adata, n_hidden=8, n_latent=3)
        model.train(2, train_size=0.7, **quiet)
        stops = [one for one in model.trainer.callbacks if isinstance(one, EarlyStopping)]
        assert [(one.monitor, one.patience) for one in stops] == [("elbo_validation", 25)]
        history = model.history
        np.testing.assert_allclose(
            history["elbo_validation"].astype(float).to_numpy(),
            history["validation_loss"].astype(float).to_numpy(),
            rtol=1e-4,
        )

    def test_without_validation_cells_it_does_not_stop_early(self, make_contexts, quiet):
        adata = make_contexts()
        scpi.model.SCGEN.setup_anndata(adata, context_key="context")
        model = scpi.model.SCGEN(adata, n_hidden=8, n_latent=3)
        with pytest.raises(ValueError, match="needs validation cells"):
            model.train(1, train_size=1.0, early_stopping=True, **quiet)
        model.train(2, train_size=1.0, **quiet)
        assert len(model.history["elbo_train"]) == 2
        assert not len(model.validation_indices)

    def test_settings_out_of_range(self, make_contexts):
        adata = make_contexts()
        scpi.model.SCGEN.setup_anndata(adata)
        with pytest.raises(ValueError, match=r"`preset` must be one of \['published', 'scpi'\]"):
            scpi.model.SCGEN(adata, preset="best")
        with pytest.raises(ValueError, match=r"`controls` must be one of \['paired', 'all'\]"):
            scpi.model.SCGEN(adata, controls="some")
        with pytest.raises(TypeError, match="regression"):
            scpi.model.SCGEN(adata, regression="ols")
        assert SCGEN_PRESETS["published"].controls == "all"
        assert not SCGEN_PRESETS["published"].residual
