from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import torch
from scipy import sparse

from scpi.model import SCPREGAN

SINGLES = {"control": 40, "A": 20, "B": 20, "A+B": 10, "C": 10}


class TestArms:
    def test_one_condition_has_a_pair_of_networks(self, build):
        model = build()
        assert not model.module.shared
        assert "arms: pair" in model._model_summary_string
        assert build(arms="shared").module.shared

    def test_several_conditions_share_them(self, screen, build):
        assert build(screen(SINGLES)).module.shared
        # Labels and doses make conditions
        assert build(setup={"dose_key": "dose"}).module.shared
        with pytest.raises(ValueError, match=r"`arms='pair'`.*has 4 conditions.*'shared'"):
            build(screen(SINGLES), arms="pair")

    def test_a_pair_knows_its_combination_alone(self, screen, build, train):
        model = train(build(screen({"control": 30, "A+B": 20})))
        assert model.predict(perturbation="B+A").n_obs == 30
        with pytest.raises(ValueError, match=r"'A\+B'; it cannot tell.*`arms='shared'`"):
            model.predict(perturbation="A")
        shared = train(build(screen({"control": 30, "A+B": 20}), arms="shared"))
        assert shared.predict(perturbation="A").n_obs == 30

    def test_a_perturbation_without_training_cells_is_refused(self, screen, build, train):
        model = train(build(screen(SINGLES)), held_out="C")
        for label in ("C", "A+C"):
            with pytest.raises(ValueError, match=r"No training cell has \['C'\]"):
                model.predict(perturbation=label)
        assert np.isfinite(model.predict(perturbation="A+B").X).all()


class TestPredictions:
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, build, train):
        return train(build(lr=0.01), 5)

    def test_the_other_generator_predicts(self, model):
        predicted = model.predict(perturbation="A")
        controls = torch.from_numpy(model.adata[predicted.obs["source_cell"]].X)
        with torch.inference_mode():
            expected = model.module.generators.treated(model.module.encoder(controls))
        np.testing.assert_allclose(predicted.X, expected, atol=1e-6)

    def test_controls_are_what_the_generator_of_controls_makes_of_them(self, model):
        predicted = model.predict(perturbation="control")
        controls = torch.from_numpy(model.adata[predicted.obs["source_cell"]].X)
        with torch.inference_mode():
            expected = model.module.generators.control(model.module.encoder(controls))
        np.testing.assert_allclose(predicted.X, expected, atol=1e-6)
        np.testing.assert_array_equal(model.predict(perturbation="A", dose=0).X, predicted.X)

    def test_doses_in_between_lie_in_between(self, model):
        low, half, high, more = (model.predict(perturbation="A", dose=dose).X for dose in (0, 0.5, 1, 7))
        share = np.log1p(0.5) / np.log1p(1)
        np.testing.assert_allclose(half, (1 - share) * low + share * high, atol=1e-6)
        np.testing.assert_array_equal(more, high)

    def test_with_its_residual_a_control_stays_what_it_is(self, build, train):
        model = train(build(residual=True))
        predicted = model.predict(perturbation="control")
        np.testing.assert_array_equal(predicted.X, model.adata[predicted.obs["source_cell"]].X)
        moved = model.predict(perturbation="A").X
        assert (moved >= 0).all()
        assert (moved != predicted.X).any()

    def test_a_shared_generator_predicts_doses_in_order(self, build, train):
        model = train(build(setup={"dose_key": "dose"}, lr=0.01), 20)
        control, *doses = (model.predict(perturbation="A", dose=dose).X for dose in (0, 0.2, 1, 2.5, 4, 50))
        moved = [np.abs(x - control).mean() for x in doses]
        assert 0 < moved[0] < moved[1] < moved[2] < moved[3]
        assert moved[3] == moved[4]

    def test_latent_units_are_those_of_the_encoder(self, model):
        z = model.get_latent_representation(batch_size=7)
        with torch.inference_mode():
            expected = model.module.encoder(torch.from_numpy(model.adata.X)).numpy()
        assert z.shape == (70, 4)
        assert z.dtype == np.float32
        np.testing.assert_allclose(z, expected, atol=1e-6)
        np.testing.assert_allclose(model.get_latent_representation(indices=[5, 2]), expected[[5, 2]], atol=1e-6)

    def test_attribution_targets(self, model):
        x = torch.from_numpy(model.adata.X[:5])
        latent, change = model.attribution_target("latent"), model.attribution_target("change", perturbation="A")
        assert latent.names == ["unit_0", "unit_1", "unit_2", "unit_3"]
        assert list(change.names) == model.var_names_
        with torch.inference_mode():
            z = model.module.encoder(x)
            moved = model.module.generators.treated(z) - model.module.generators.control(z)
            torch.testing.assert_close(latent.function(latent.transform(x)), z)
            torch.testing.assert_close(change.function(change.transform(x)), moved)
        for kind in ("change", "cause"):
            with pytest.raises(ValueError, match="`kind` must be 'latent', or 'change' with a `perturbation`"):
                model.attribution_target(kind)

    def test_new_contexts_are_predicted_by_a_model_without_data(self, model, tmp_path, screen):
        model.save(tmp_path / "model")
        loaded = SCPREGAN.load(tmp_path / "model", adata=False, accelerator="cpu")
        new = screen(rng=3)
        new.obs["cell_type"] = "liver"
        predicted = loaded.predict(new, perturbation="A", context="liver", dose=0.5)
        np.testing.assert_array_equal(predicted.X, model.predict(new, perturbation="A", dose=0.5).X)


class TestBadInput:
    def test_counts_are_refused(self, screen):
        adata = screen()
        adata.X = np.floor(10 * adata.X)
        with pytest.raises(ValueError, match="look like raw counts"):
            SCPREGAN.setup_anndata(adata)

    @pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
    def test_negative_expression_is_refused(self, convert, screen, build):
        adata = screen()
        adata.X[0, 0] = -1.5
        adata.X = convert(adata.X)
        with pytest.raises(ValueError, match=r"negative values, down to -1\.5"):
            build(adata)

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"preset": "best"}, ValueError, "`preset` must be one of"),
            ({"depth": 2}, TypeError, r"The preset has no \['depth'\]"),
            ({"arms": "many"}, ValueError, "`arms` must be one of"),
            ({"output": "linear"}, ValueError, "`output` must be one of"),
            ({"n_steps": 0}, ValueError, "`n_steps` must be at least 1, got 0"),
            ({"adversarial_weight": -1}, ValueError, "`adversarial_weight` must be at least 0, got -1"),
            ({"lr": 0}, ValueError, "`lr` must be above 0, got 0"),
        ],
    )
    def test_settings_that_do_not_exist(self, changes, error, message, build):
        with pytest.raises(error, match=message):
            build(**changes)


def simulated(rng=0):
    """Cells of five contexts, places in a latent space in which the treatment is one shift, seen through a softplus."""
    generator = np.random.default_rng(rng)
    n_genes, n_cells = 60, 120
    places = 1.5 * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1], [0.4, -0.2]])
    loadings, shift = generator.standard_normal((2, n_genes)), 1.5 * generator.standard_normal(n_genes)
    parts, context, label = [], [], []
    for index, place in enumerate(places):
        for arm in ("control", "drug"):
            z = place + 0.5 * generator.standard_normal((n_cells, 2))
            mean = np.log1p(np.exp(z @ loadings + (shift if arm == "drug" else 0.0)))
            parts.append(np.maximum(mean + 0.2 * generator.standard_normal((n_cells, n_genes)), 0.0))
            context += [f"c{index}"] * n_cells
            label += [arm] * n_cells
    adata = ad.AnnData(np.concatenate(parts).astype(np.float32))
    adata.obs["perturbation"], adata.obs["context"] = label, context
    return adata


@pytest.mark.parametrize("arms", ["pair", "shared"])
def test_a_change_is_carried_over_to_a_context_whose_treated_cells_are_held_out(arms, train):
    adata = simulated()
    held_out = (adata.obs["context"] == "c4") & (adata.obs["perturbation"] == "drug")
    SCPREGAN.setup_anndata(adata, context_key="context")
    model = SCPREGAN(adata, arms=arms, n_hidden=(32, 16), n_latent=8, n_steps=400, output="softplus", residual=True)
    train(model, None, datasplitter_kwargs={"external_indexing": [np.flatnonzero(~held_out)]})
    control = adata.X[(adata.obs["context"] == "c4") & (adata.obs["perturbation"] == "control")].mean(0)
    truth = adata.X[held_out].mean(0) - control
    found = model.predict(perturbation="drug", context="c4").X.mean(0) - control
    assert np.corrcoef(found, truth)[0, 1] > 0.9, np.corrcoef(found, truth)[0, 1]
    assert np.mean((found - truth) ** 2) < 0.3 * np.mean(truth**2)
