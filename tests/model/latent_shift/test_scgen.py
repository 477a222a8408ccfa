"""SCGEN: its arithmetic in closed form, and what it does beside predictions."""

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


def mean(adata, context, label):
    return adata.X[(adata.obs["context"] == context) & (adata.obs["perturbation"] == label)].mean(0)


def change(predicted, adata):
    moved = predicted.X - adata.to_df().loc[predicted.obs["source_cell"]].to_numpy()
    np.testing.assert_allclose(moved, np.tile(moved[0], (len(moved), 1)), atol=1e-4)
    return moved[0]


class TestShift:
    def test_with_linear_networks_it_is_the_mean_delta(self, model, adata, baseline, make_contexts):
        expected = np.mean([mean(adata, c, "x") - mean(adata, c, "control") for c in "abcd"], axis=0)
        np.testing.assert_allclose(change(model.predict(perturbation="x", context="e"), adata), expected, atol=1e-4)
        for label in ("y", "x+y"):
            other = baseline("MeanDelta", make_contexts()).predict(perturbation=label, context="e")
            np.testing.assert_allclose(model.predict(perturbation=label, context="e").X, other.X, atol=1e-4)

    def test_a_shift_in_latent_space_is_the_turned_change(self, model, adata):
        expected = np.mean([mean(adata, c, "y") - mean(adata, c, "control") for c in "abcd"], axis=0)
        turned = expected @ model.module.z_encoder.mean_encoder.weight.numpy()
        np.testing.assert_allclose(model.get_shift(perturbation="y"), turned, atol=1e-4)
        np.testing.assert_array_equal(model.get_shift(perturbation="control"), 0)

    def test_published_controls_of_a_context_without_perturbed_cells_bias_it(self, linear_model, adata, make_contexts):
        published = linear_model("SCGEN", make_contexts(), controls="all")
        found = change(published.predict(perturbation="x", context="e"), adata)
        treated = np.mean([mean(adata, c, "x") for c in "abcd"], axis=0)
        control = np.mean([mean(adata, c, "control") for c in "abcde"], axis=0)
        np.testing.assert_allclose(found, treated - control, atol=1e-4)
        # The bias is the distance of the controls of that context from the others, by their number.
        own = np.mean([mean(adata, c, "control") for c in "abcd"], axis=0)
        paired = np.mean([mean(adata, c, "x") - mean(adata, c, "control") for c in "abcd"], axis=0)
        np.testing.assert_allclose(found - paired, (own - mean(adata, "e", "control")) / 5, atol=1e-4)
        assert np.abs(found - paired).max() > 0.1

    def test_restricted_contexts(self, linear_model, adata, make_contexts):
        some = linear_model("SCGEN", make_contexts(), restrict_to=["b", "d"])
        expected = np.mean([mean(adata, c, "x") - mean(adata, c, "control") for c in "bd"], axis=0)
        np.testing.assert_allclose(change(some.predict(perturbation="x", context="e"), adata), expected, atol=1e-4)
        with pytest.raises(ValueError, match=r"No training cell of the contexts \['e'\] has 'x' alone"):
            some.restrict_to = "e"
            some.predict(perturbation="x")
        # Both arms are restricted with published controls, too.
        both = linear_model("SCGEN", make_contexts(), controls="all", restrict_to=["a", "e"])
        expected = mean(adata, "a", "x") - (mean(adata, "a", "control") + mean(adata, "e", "control")) / 2
        np.testing.assert_allclose(change(both.predict(perturbation="x", context="e"), adata), expected, atol=1e-4)
        some.restrict_to = None
        expected = np.mean([mean(adata, c, "x") - mean(adata, c, "control") for c in "abcd"], axis=0)
        np.testing.assert_allclose(change(some.predict(perturbation="x", context="e"), adata), expected, atol=1e-4)

    def test_contexts_that_do_not_exist_are_refused(self, model, make_contexts):
        with pytest.raises(ValueError, match=r"must name contexts of the data \('a', 'b'.*got \['z'\]"):
            model.restrict_to = ["z"]
        with pytest.raises(ValueError, match=r"got \[\]"):
            model.restrict_to = []
        bare = make_contexts()
        scpi.model.SCGEN.setup_anndata(bare)
        with pytest.raises(ValueError, match="without `context_key`"):
            scpi.model.SCGEN(bare, restrict_to="a")

    def test_members_of_an_unmeasured_combination_add_up(self, linear_model, make_contexts):
        adata = make_contexts()
        adata = adata[adata.obs["perturbation"] != "x+y"].copy()
        model = linear_model("SCGEN", adata)
        found = [change(model.predict(perturbation=label, context="e"), adata) for label in ("x", "y", "x+y")]
        np.testing.assert_allclose(found[0] + found[1], found[2], atol=1e-4)

    def test_a_perturbation_without_a_shift_is_named(self, linear_model, make_contexts):
        adata = make_contexts()
        adata = adata[adata.obs["perturbation"] != "y"].copy()
        model = linear_model("SCGEN", adata)
        assert np.isfinite(model.predict(perturbation="x+y").X).all()
        with pytest.raises(ValueError, match="No training cell has 'y' alone"):
            model.predict(perturbation="y")

    def test_doses_between_measured_ones(self, linear_model, make_contexts):
        adata = make_contexts(doses=True)
        model = linear_model("SCGEN", adata, doses=True)
        one, three, other = (change(model.predict(perturbation="x", context="e", dose=d), adata) for d in (1, 3, 2))
        share = np.log(3 / 2) / np.log(4 / 2)
        np.testing.assert_allclose(other, (1 - share) * one + share * three, atol=1e-4)
        x = adata[(adata.obs["perturbation"] == "x") & (adata.obs["dose"] == 3)]
        expected = [x.X[x.obs["context"] == c].mean(0) - mean(adata, c, "control") for c in "abcd"]
        np.testing.assert_allclose(three, np.mean(expected, axis=0), atol=1e-4)

    def test_a_new_context_in_new_cells(self, linear_model, make_contexts):
        adata = make_contexts()
        known = adata[adata.obs["context"] != "e"].copy()
        model = linear_model("SCGEN", known)
        expected = model.get_shift(perturbation="x")
        predicted = model.predict(adata, perturbation="x", context="e")
        np.testing.assert_allclose(change(predicted, adata), expected @ model.module.decoder.weight.numpy(), atol=1e-4)


class TestResidual:
    def test_published_predictions_lack_what_the_network_does_not_reconstruct(self, linear_model, make_contexts):
        adata = make_contexts()
        for residual in (True, False):
            model = linear_model("SCGEN", adata, residual=residual)
            # A decoder that is wrong by 1 everywhere
            model.module.decoder = torch.nn.Sequential(model.module.decoder, _Plus(1.0))
            predicted = model.predict(perturbation="control", context="a")
            start = adata.to_df().loc[predicted.obs["source_cell"]].to_numpy()
            np.testing.assert_allclose(predicted.X - start, 0.0 if residual else 1.0, atol=1e-4)

    def test_no_change_leaves_cells_as_they_are(self, model, adata):
        predicted = model.predict(perturbation="control")
        np.testing.assert_array_equal(predicted.X, adata.to_df().loc[predicted.obs["source_cell"]].to_numpy())


class _Plus(torch.nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return x + self.value


class TestBatches:
    def test_batches_of_a_kind_have_one_mean(self, linear_model, make_contexts):
        adata = make_contexts()
        adata.X[(adata.obs["batch"] == "one").to_numpy(), :3] += 2.0
        model = linear_model("SCGEN", adata)
        corrected = model.remove_batch()
        kinds = adata.obs["context"].astype(str) + adata.obs["perturbation"].astype(str)
        for kind in kinds.unique():
            cells = (kinds == kind).to_numpy()
            one, two = (cells & (adata.obs["batch"] == name).to_numpy() for name in ("one", "two"))
            if one.any() and two.any():
                np.testing.assert_allclose(corrected.X[one].mean(0), adata.X[two].mean(0), atol=1e-4)
        # The larger batch is where it was.
        two = (adata.obs["batch"] == "two").to_numpy()
        np.testing.assert_allclose(corrected.X[two], adata.X[two], atol=1e-5)
        z = model.get_latent_representation()
        np.testing.assert_allclose(corrected.obsm["corrected_latent"][two], z[two])
        moved = model.get_latent_representation(indices=np.flatnonzero(~two)) - corrected.obsm["corrected_latent"][~two]
        assert np.abs(moved).max() > 0.5
        assert corrected.obs.equals(adata.obs)

    def test_within_contexts_and_other_columns(self, linear_model, make_contexts):
        adata = make_contexts()
        adata.obs["lane"] = np.where(np.arange(adata.n_obs) % 3 == 0, "l1", "l2")
        model = linear_model("SCGEN", adata)
        corrected = model.remove_batch(batch_key="lane", within="context", reference="l1")
        for context in "abcde":
            cells = (adata.obs["context"] == context).to_numpy()
            one, two = (cells & (adata.obs["lane"] == name).to_numpy() for name in ("l1", "l2"))
            np.testing.assert_allclose(corrected.X[two].mean(0), adata.X[one].mean(0), atol=1e-4)

    def test_bad_arguments(self, model, make_contexts, linear_model):
        with pytest.raises(ValueError, match="'condition' or 'context', got 'cells'"):
            model.remove_batch(within="cells")
        with pytest.raises(ValueError, match=r"a batch of \['one', 'two'\], got 'three'"):
            model.remove_batch(reference="three")
        with pytest.raises(KeyError, match="nothing"):
            model.remove_batch(batch_key="nothing")
        adata = make_contexts()
        adata.obs["lane"] = np.where(np.arange(adata.n_obs) % 2, "l1", None)
        with pytest.raises(ValueError, match="cells have no label in `obs\\['lane'\\]`"):
            model.remove_batch(adata, batch_key="lane")
        scpi.model.SCGEN.setup_anndata(adata)
        bare = scpi.model.SCGEN(adata, n_hidden=8, n_latent=3)
        bare.is_trained_ = True
        with pytest.raises(ValueError, match="no batches"):
            bare.remove_batch()


class TestDoses:
    @pytest.fixture
    def dosed(self, linear_model, make_contexts):
        return linear_model("SCGEN", make_contexts(doses=True), doses=True)

    def test_pseudo_dose_is_0_in_controls_and_1_at_the_dose(self, dosed):
        adata = dosed.adata
        found = dosed.pseudo_dose(perturbation="x", dose=10.0)
        label, dose = adata.obs["perturbation"].to_numpy(), adata.obs["dose"].to_numpy()
        for context in "abcd":
            own = (adata.obs["context"] == context).to_numpy()
            assert found[own & (label == "control")].mean() == pytest.approx(0, abs=1e-4)
        means = [found[(label == "x") & (dose == one)].mean() for one in (1.0, 3.0, 10.0)]
        np.testing.assert_allclose(means, np.log1p([1, 3, 10]) / np.log1p(10), atol=0.1)
        shift, z = dosed.get_shift(perturbation="x", dose=10.0), dosed.get_latent_representation()
        some = np.flatnonzero(label == "y")[:3]
        centre = [dosed.module.kept.profiles().control["abcde".index(c)] for c in adata.obs["context"].iloc[some]]
        np.testing.assert_allclose(found[some], (z[some] - centre) @ shift / (shift @ shift), rtol=1e-4)
        np.testing.assert_allclose(dosed.pseudo_dose(perturbation="x", dose=10.0, indices=some), found[some], rtol=1e-5)

    def test_without_a_shift_there_is_no_pseudo_dose(self, dosed):
        with pytest.raises(ValueError, match="is zero"):
            dosed.pseudo_dose(perturbation="x", dose=0.0)

    def test_low_doses_from_high_ones(self, dosed):
        adata = dosed.adata
        high = np.flatnonzero(
            (adata.obs["perturbation"] == "x") & (adata.obs["dose"] == 10) & (adata.obs["context"] == "b")
        )
        predicted = dosed.predict_dose(perturbation="x", dose=1.0, context="b", indices=high)
        assert predicted.obs["source_cell"].tolist() == adata.obs_names[high].tolist()
        expected = dosed.get_shift(perturbation="x", dose=1.0) - dosed.get_shift(perturbation="x", dose=10.0)
        np.testing.assert_allclose(
            predicted.X - adata.X[high],
            np.tile(expected @ dosed.module.decoder.weight.numpy(), (len(high), 1)),
            atol=1e-4,
        )
        assert set(predicted.obs["dose"]) == {1.0}
        # Cells at several doses each move from their own.
        none = dosed.predict_dose(perturbation="x", dose=0.0, context="b")
        np.testing.assert_allclose(none.X.mean(0), mean(adata, "b", "control"), atol=1.2)
        same = dosed.predict_dose(perturbation="x", dose=10.0, indices=high)
        np.testing.assert_array_equal(same.X, adata.X[high])

    def test_bad_arguments(self, dosed):
        with pytest.raises(ValueError, match="no control"):
            dosed.predict_dose(perturbation="control", dose=1.0)
        with pytest.raises(ValueError, match="cell under 'x' of context 'e'"):
            dosed.predict_dose(perturbation="x", dose=1.0, context="e")


class TestGenes:
    def test_scores_are_the_decoded_change_of_a_linear_decoder(self, model):
        table = model.gene_scores(perturbation="x", penalty=1e-9, n_samples=500)
        expected = model.get_shift(perturbation="x") @ model.module.decoder.weight.numpy()
        np.testing.assert_allclose(table["score"], expected, atol=1e-3)
        assert table.index.tolist() == model.var_names_
        assert table.attrs["r2"] == pytest.approx(1, abs=1e-6)

    def test_published_scores_count_units_that_the_decoder_hardly_reads(self, linear_model, make_contexts):
        model = linear_model("SCGEN", make_contexts())
        size = np.r_[1e-3, np.ones(11)]
        model.module.decoder.weight = model.module.decoder.weight * torch.from_numpy(size[:, None].astype(np.float32))
        weight, shift = model.module.decoder.weight.numpy(), model.get_shift(perturbation="x")
        plain, normal = (
            model.gene_scores(perturbation="x", penalty=1e-9, n_samples=500, normalise=normalise)["score"]
            for normalise in (False, True)
        )
        np.testing.assert_allclose(plain, shift @ weight, atol=1e-3)
        np.testing.assert_allclose(normal, (shift / np.linalg.norm(weight, axis=1)) @ weight, atol=1e-2)

    def test_targets_of_attributions(self, model, adata):
        x = torch.from_numpy(adata.X[:5])
        latent = model.attribution_target("latent")
        np.testing.assert_allclose(
            latent.function(latent.transform(x)), model.get_latent_representation(indices=range(5))
        )
        assert latent.names[:2] == ["latent_0", "latent_1"]
        moved = model.attribution_target("change", perturbation="x")
        expected = model.get_shift(perturbation="x") @ model.module.decoder.weight.numpy()
        np.testing.assert_allclose(moved.function(x), np.tile(expected, (5, 1)), atol=1e-4)
        decoder = model.decoder_target()
        np.testing.assert_allclose(decoder.function(latent.function(x)), x, atol=1e-4)
        for kind in ("change", "unit"):
            with pytest.raises(ValueError, match="'latent', or 'change' with a `perturbation`"):
                model.attribution_target(kind)


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
