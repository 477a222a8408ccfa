"""SCGEN: its arithmetic in closed form."""

from __future__ import annotations

import numpy as np
import pytest

import scpi


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
        np.testing.assert_allclose(
            change(model.predict(perturbation="x", context="e", output="mean"), adata), expected, atol=1e-4
        )
        for label in ("y", "x+y"):
            other = baseline("MeanDelta", make_contexts()).predict(perturbation=label, context="e", output="mean")
            np.testing.assert_allclose(
                model.predict(perturbation=label, context="e", output="mean").X, other.X, atol=1e-4
            )

    def test_a_shift_in_latent_space_is_the_turned_change(self, model, adata):
        expected = np.mean([mean(adata, c, "y") - mean(adata, c, "control") for c in "abcd"], axis=0)
        turned = expected @ model.module.z_encoder.mean_encoder.weight.numpy()
        np.testing.assert_allclose(model.get_shift(perturbation="y"), turned, atol=1e-4)
        np.testing.assert_array_equal(model.get_shift(perturbation="control"), 0)

    def test_published_controls_of_a_context_without_perturbed_cells_bias_it(self, linear_model, adata, make_contexts):
        published = linear_model("SCGEN", make_contexts(), controls="all")
        found = change(published.predict(perturbation="x", context="e", output="mean"), adata)
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
        np.testing.assert_allclose(
            change(some.predict(perturbation="x", context="e", output="mean"), adata), expected, atol=1e-4
        )
        with pytest.raises(ValueError, match=r"No training cell of the contexts \['e'\] has 'x' alone"):
            some.restrict_to = "e"
            some.predict(perturbation="x", output="mean")
        # Both arms are restricted with published controls, too.
        both = linear_model("SCGEN", make_contexts(), controls="all", restrict_to=["a", "e"])
        expected = mean(adata, "a", "x") - (mean(adata, "a", "control") + mean(adata, "e", "control")) / 2
        np.testing.assert_allclose(
            change(both.predict(perturbation="x", context="e", output="mean"), adata), expected, atol=1e-4
        )
        some.restrict_to = None
        expected = np.mean([mean(adata, c, "x") - mean(adata, c, "control") for c in "abcd"], axis=0)
        np.testing.assert_allclose(
            change(some.predict(perturbation="x", context="e", output="mean"), adata), expected, atol=1e-4
        )

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
        found = [
            change(model.predict(perturbation=label, context="e", output="mean"), adata) for label in ("x", "y", "x+y")
        ]
        np.testing.assert_allclose(found[0] + found[1], found[2], atol=1e-4)

    def test_a_perturbation_without_a_shift_is_named(self, linear_model, make_contexts):
        adata = make_contexts()
        adata = adata[adata.obs["perturbation"] != "y"].copy()
        model = linear_model("SCGEN", adata)
        assert np.isfinite(model.predict(perturbation="x+y", output="mean").X).all()
        with pytest.raises(ValueError, match="No training cell has 'y' alone"):
            model.predict(perturbation="y", output="mean")

    def test_doses_between_measured_ones(self, linear_model, make_contexts):
        adata = make_contexts(doses=True)
        model = linear_model("SCGEN", adata, doses=True)
        one, three, other = (
            change(model.predict(perturbation="x", context="e", dose=d, output="mean"), adata) for d in (1, 3, 2)
        )
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
        predicted = model.predict(adata, perturbation="x", context="e", output="mean")
        np.testing.assert_allclose(change(predicted, adata), expected @ model.module.decoder.weight.numpy(), atol=1e-4)
