"""What a latent shift is used for beside predictions from controls, with linear networks in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scpi
from scpi.model.base.loading import _cell_batches


@pytest.fixture(scope="module")
def adata(make_contexts):
    return make_contexts()


@pytest.fixture(scope="module")
def model(linear_model, adata):
    return linear_model("SCGEN", adata)


def test_each_cell_moves_by_its_own_shift(model, adata, monkeypatch):
    """Also where cells are read in several batches, and some of them twice."""
    monkeypatch.setattr(_cell_batches, "_BATCH", 7)
    cells = np.tile(np.arange(adata.n_obs)[::-1], 3)
    shifts = np.random.default_rng(0).normal(size=(len(cells), model.preset_.n_latent))
    expected = adata.X[cells] + shifts @ model.module.decoder.weight.numpy()
    np.testing.assert_allclose(np.concatenate(list(model._moved(adata, cells, shifts))), expected, atol=1e-4)


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
        predicted = dosed.predict_dose(perturbation="x", dose=1.0, context="b", indices=high, output="mean")
        assert predicted.obs["source_cell"].tolist() == adata.obs_names[high].tolist()
        expected = dosed.get_shift(perturbation="x", dose=1.0) - dosed.get_shift(perturbation="x", dose=10.0)
        np.testing.assert_allclose(
            predicted.X - adata.X[high],
            np.tile(expected @ dosed.module.decoder.weight.numpy(), (len(high), 1)),
            atol=1e-4,
        )
        assert set(predicted.obs["dose"]) == {1.0}
        # Cells at several doses each move from their own.
        none = dosed.predict_dose(perturbation="x", dose=0.0, context="b", output="mean")
        controls = adata[(adata.obs["context"] == "b") & (adata.obs["perturbation"] == "control")]
        np.testing.assert_allclose(none.X.mean(0), controls.X.mean(0), atol=1.2)
        same = dosed.predict_dose(perturbation="x", dose=10.0, indices=high, output="mean")
        np.testing.assert_array_equal(same.X, adata.X[high])

    def test_bad_arguments(self, dosed):
        with pytest.raises(ValueError, match="must not be a control"):
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
