from __future__ import annotations

import numpy as np
import pytest
import torch

import scpi

SMALL = {"control_hidden": (16,), "treated_hidden": (16,), "n_latent": 8, "n_translator": 8}
DOSED = [("A", 0.5), ("A", 2.0), ("B", 1.0)]


@pytest.fixture(scope="module")
def dosed(make_shifted, train):
    """A model of two perturbations, one of them at two doses."""
    adata = make_shifted(conditions=DOSED, n_cells=15)
    return train(adata, setup={"dose_key": "dose"}, train={"max_epochs": 6}, **SMALL)


@pytest.fixture(scope="module", params=["published", "scpi"])
def learned(request, make_shifted, train):
    """A model that has not seen treated cells of the last context, after enough epochs."""
    adata = make_shifted(n_cells=60)
    held = (adata.obs["context"] == "z") & (adata.obs["perturbation"] == "A")
    rest = np.random.default_rng(0).permutation(np.flatnonzero(~held))
    cells = [np.sort(rest[60:]), np.sort(rest[:60]), np.flatnonzero(held)]
    # An epoch has few steps here, so that each must be longer than on real data
    arguments = {"max_epochs": 40, "lr": 2e-2, "datasplitter_kwargs": {"external_indexing": cells}}
    sizes = {"control_hidden": (64,), "treated_hidden": (64,), "n_latent": 32, "n_translator": 32}
    return train(adata, train=arguments, preset=request.param, noise=0.2, **sizes), adata


def values(predicted):
    return np.asarray(predicted.X)


class TestPredictions:
    def translated(self, model, cells, label, dose):
        """What the network itself makes of control cells under a measured condition."""
        state = model._perturbation_state()
        (code,) = [
            code
            for code, (name, at) in enumerate(
                zip(state["conditions"], map(max, filter(None, state["doses"])), strict=False)
            )
            if (name, at) == (label, dose)
        ]
        x = torch.from_numpy(np.asarray(model.adata[cells].X))
        with torch.no_grad():
            return model.module.eval().translate(x, "control", torch.full((len(x),), code)).numpy()

    @pytest.fixture
    def cells(self, dosed):
        return np.flatnonzero(dosed.adata.obs["perturbation"] == "control")[:9]

    def test_a_measured_condition_is_the_translated_cell(self, dosed, cells):
        for label, dose in DOSED:
            expected = self.translated(dosed, cells, label, dose)
            predicted = values(dosed.predict(perturbation=label, dose=dose, indices=cells, output="mean"))
            np.testing.assert_allclose(predicted, np.where(expected < 1e-4, 0, expected), atol=1e-6)

    def test_doses_and_labels_differ(self, dosed, cells):
        first, second, third = (self.translated(dosed, cells, *condition) for condition in DOSED)
        assert min(np.abs(first - second).max(), np.abs(first - third).max()) > 1e-3

    def test_an_unmeasured_dose_lies_between_its_neighbours(self, dosed, cells):
        low, high = (self.translated(dosed, cells, "A", dose) for dose in (0.5, 2.0))
        share = np.log(2.0 / 1.5) / np.log(3.0 / 1.5)
        expected = (1 - share) * low + share * high
        predicted = values(dosed.predict(perturbation="A", dose=1.0, indices=cells, output="mean"))
        np.testing.assert_allclose(predicted, np.where(expected < 1e-4, 0, expected), atol=1e-5)

    def test_a_small_dose_changes_little(self, dosed, cells):
        x = np.asarray(dosed.adata[cells].X)
        np.testing.assert_allclose(
            values(dosed.predict(perturbation="A", dose=1e-6, indices=cells, output="mean")), x, atol=1e-4
        )

    def test_the_control_is_the_cell_itself(self, dosed, cells):
        np.testing.assert_array_equal(
            values(dosed.predict(perturbation="control", indices=cells, output="mean")),
            np.asarray(dosed.adata[cells].X),
        )

    def test_an_unseen_combination_is_the_sum_of_its_members(self, dosed, cells):
        x = np.asarray(dosed.adata[cells].X)
        expected = self.translated(dosed, cells, "A", 2.0) + self.translated(dosed, cells, "B", 1.0) - x
        predicted = values(dosed.predict(perturbation="B+A", dose=2.0, indices=cells, output="mean"))
        np.testing.assert_allclose(predicted, np.where(expected < 1e-4, 0, expected), atol=1e-5)

    def test_a_trained_combination_is_a_condition_of_its_own(self, make_shifted, train):
        adata = make_shifted(conditions=[("A", 1.0), ("B", 1.0), ("A+B", 1.0)], n_cells=10)
        model = train(adata, **SMALL)
        cells = np.flatnonzero(adata.obs["perturbation"] == "control")[:5]
        expected = self.translated(model, cells, "A+B", 1.0)
        predicted = values(model.predict(perturbation="A+B", indices=cells, output="mean"))
        np.testing.assert_allclose(predicted, np.where(expected < 1e-4, 0, expected), atol=1e-6)

    def test_a_perturbation_without_training_cells_is_named(self, make_shifted, train):
        adata = make_shifted(conditions=[("A", 1.0), ("B", 1.0)], n_cells=10)
        model = train(adata, train={"held_out": ["B"]}, **SMALL)
        for label in ("B", "A+B"):
            with pytest.raises(ValueError, match=r"No training cell of a context with controls has 'B' alone"):
                model.predict(perturbation=label, output="mean")
        with pytest.raises(ValueError, match=r"was not trained on the condition of \['B'\]"):
            model.predict_control(perturbation="B", output="mean")

    def test_the_decoded_change_is_added_to_the_cell(self, make_shifted, train):
        adata = make_shifted(n_cells=10)
        model = train(adata, **SMALL)
        x = torch.from_numpy(np.asarray(adata[:6].X))
        module, code = model.module.eval(), torch.ones(6, dtype=torch.int64)
        with torch.no_grad():
            z = module.posterior(x, "control").mean
            expected = x + module.expression(z, "treated", code) - module.expression(z, "control")
            np.testing.assert_allclose(module.translate(x, "control", code), expected, atol=1e-6)

    def test_cells_without_the_treatment_have_the_expected_means(self, dosed):
        mean = dosed.predict_control(perturbation="A", output="mean")
        drawn = dosed.predict_control(perturbation="A")
        assert drawn.obs["source_cell"].tolist() == mean.obs["source_cell"].tolist()
        expected = np.maximum(mean.X.mean(0), 0.0)
        assert np.abs(drawn.X.toarray().mean(0) - expected).mean() < 0.05 * expected.mean()


class TestLatent:
    def test_each_arm_has_its_encoder(self, dosed):
        adata = dosed.adata
        latent = dosed.get_latent_representation()
        assert latent.shape == (adata.n_obs, 8) and latent.dtype == np.float32
        module = dosed.module.eval()
        codes = np.asarray(dosed._field(adata, "perturbation")).ravel()
        for cell in (0, 1, 2, 3):
            is_control = adata.obs["perturbation"].iloc[cell] == "control"
            x = torch.from_numpy(np.asarray(adata[[cell]].X))
            with torch.no_grad():
                own = module.posterior(x, "control" if is_control else "treated", torch.tensor([codes[cell]])).mean
            np.testing.assert_allclose(latent[cell], own.numpy()[0], atol=1e-5)
        np.testing.assert_allclose(
            dosed.get_latent_representation(indices=[3, 1], batch_size=1), latent[[3, 1]], atol=1e-6
        )

    def test_units_can_be_attributed(self, dosed):
        adata = dosed.adata[dosed.adata.obs["perturbation"] == "control"]
        x = torch.from_numpy(np.asarray(adata.X))
        target = dosed.attribution_target("latent")
        latent = target.function(target.transform(x)).detach().numpy()
        np.testing.assert_allclose(latent, dosed.get_latent_representation(adata.copy()), atol=1e-5)
        change = dosed.attribution_target("change", perturbation="B")
        predicted = values(dosed.predict(adata.copy(), perturbation="B", output="mean"))
        np.testing.assert_allclose(change.function(x).detach().numpy(), predicted - x.numpy(), atol=1e-5)
        with pytest.raises(ValueError, match="with a `perturbation`, got 'change'"):
            dosed.attribution_target("change")


class TestReverse:
    def test_treated_cells_go_to_the_control_arm(self, dosed):
        adata = dosed.adata
        cells = np.flatnonzero((adata.obs["perturbation"] == "A") & (adata.obs["dose"] == 2.0))[:7]
        predicted = dosed.predict_control(perturbation="A", indices=cells, output="mean")
        code = int(np.asarray(dosed._field(adata, "perturbation")).ravel()[cells[0]])
        x = torch.from_numpy(np.asarray(adata[cells].X))
        with torch.no_grad():
            expected = dosed.module.eval().translate(x, "treated", torch.full((7,), code)).numpy()
        np.testing.assert_allclose(values(predicted), np.where(expected < 1e-4, 0, expected), atol=1e-6)
        assert predicted.obs["source_cell"].tolist() == adata.obs_names[cells].tolist()
        assert set(predicted.obs["perturbation"]) == {"A"}

    def test_a_context_and_a_number_of_cells_can_be_asked_for(self, dosed):
        predicted = dosed.predict_control(context="y", n_cells=8, output="mean")
        sources = dosed.adata.obs.loc[predicted.obs["source_cell"]]
        assert predicted.n_obs == 8 and predicted.obs["source_cell"].is_unique
        assert set(sources["context"]) == {"y"} == set(predicted.obs["context"])
        assert "control" not in set(sources["perturbation"])

    def test_without_treated_cells_there_is_nothing_to_start_from(self, dosed):
        controls = np.flatnonzero(dosed.adata.obs["perturbation"] == "control")
        with pytest.raises(ValueError, match="There is no treated cell to start from"):
            dosed.predict_control(indices=controls, output="mean")
        with pytest.raises(ValueError, match="no cell with a label in \\['A'\\] of context 'x'"):
            dosed.predict_control(perturbation="A", context="x", indices=controls, output="mean")

    def test_a_dose_that_was_not_measured_is_taken_for_the_nearest(self, dosed, make_shifted):
        new = make_shifted(conditions=[("A", 1.7)], n_cells=5, rng=3)
        again = make_shifted(conditions=[("A", 1.7)], n_cells=5, rng=3)
        again.obs["dose"] = again.obs["dose"].replace(1.7, 2.0)
        np.testing.assert_array_equal(
            values(dosed.predict_control(new, output="mean")), values(dosed.predict_control(again, output="mean"))
        )


class TestLearning:
    def change(self, learned, context):
        """Predicted and measured change of the mean."""
        model, adata = learned
        means = [
            np.asarray(adata.X)[
                ((adata.obs["context"] == context) & (adata.obs["perturbation"] == label)).to_numpy()
            ].mean(0)
            for label in ("control", "A")
        ]
        return values(model.predict(perturbation="A", context=context, output="mean")).mean(0) - means[0], means[
            1
        ] - means[0]

    def test_the_change_of_a_trained_context_is_predicted(self, learned):
        predicted, true = self.change(learned, "x")
        assert np.corrcoef(predicted, true)[0, 1] > 0.9
        assert predicted[:6].mean() == pytest.approx(1.5, abs=0.3)

    def test_the_change_of_a_context_without_treated_cells_is_predicted(self, learned):
        predicted, true = self.change(learned, "z")
        assert np.corrcoef(predicted, true)[0, 1] > 0.9
        assert predicted[:6].mean() == pytest.approx(1.5, abs=0.4)

    def test_the_change_is_taken_back_in_reverse(self, learned):
        model, adata = learned
        context, label = adata.obs["context"].to_numpy(), adata.obs["perturbation"].to_numpy()
        treated, control = (
            np.asarray(adata.X)[(context == "x") & (label == name)].mean(0) for name in ("A", "control")
        )
        back = values(model.predict_control(perturbation="A", context="x", output="mean")).mean(0)
        assert np.abs(back - control).mean() < 0.25 * np.abs(treated - control)[:6].mean()
        assert np.corrcoef(back - treated, control - treated)[0, 1] > 0.9


def test_a_model_without_contexts_pairs_all_cells(make_shifted, train):
    adata = make_shifted(n_cells=10)
    model = train(adata, setup={"context_key": None}, **SMALL)
    assert np.isfinite(values(model.predict(perturbation="A", output="mean"))).all()
    with pytest.raises(ValueError, match="context_key"):
        model.predict_control(context="x", output="mean")


def test_counts_are_refused(make_screen):
    with pytest.raises(ValueError, match="look like raw counts"):
        scpi.model.SCButterfly.setup_anndata(make_screen())
