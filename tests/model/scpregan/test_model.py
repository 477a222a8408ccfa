from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import torch
from scipy import sparse

from scpi.model import SCPREGAN

SINGLES = {"control": 40, "A": 20, "B": 20, "A+B": 10, "C": 10}


class TestConditions:
    def test_the_networks_tell_perturbations_apart_where_there_are_several(self, screen, build):
        assert not build().module.several
        assert not build().module.generators.treated.scales
        # Labels and doses make conditions
        for model in (build(screen(SINGLES)), build(setup={"dose_key": "dose"})):
            assert model.module.several
            assert model.module.discriminators.treated.direction is not None
        assert "conditions: 4" in build(screen(SINGLES))._model_summary_string

    def test_a_combination_that_all_treated_cells_have_is_known_as_a_whole(self, screen, build, train):
        model = train(build(screen({"control": 30, "A+B": 20})))
        assert model.predict(perturbation="B+A", output="mean").n_obs == 30
        with pytest.raises(ValueError, match=r"All treated cells have 'A\+B'.*alone is unknown"):
            model.predict(perturbation="A", output="mean")

    def test_a_perturbation_without_training_cells_is_refused(self, screen, build, train):
        model = train(build(screen(SINGLES)), held_out="C")
        for label in ("C", "A+C"):
            with pytest.raises(ValueError, match=r"No training cell has \['C'\]"):
                model.predict(perturbation=label, output="mean")
        assert np.isfinite(model.predict(perturbation="A+B", output="mean").X).all()


class TestPredictions:
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, build, train):
        return train(build(lr=0.01), 5)

    def test_the_other_generator_predicts(self, model):
        predicted = model.predict(perturbation="A", output="mean")
        controls = torch.from_numpy(model.adata[predicted.obs["source_cell"]].X)
        with torch.inference_mode():
            expected = model.module.generators(model.module.encoder(controls), torch.ones(1, 1))
        np.testing.assert_allclose(predicted.X, expected, atol=1e-6)

    def test_controls_are_what_the_generator_of_controls_makes_of_them(self, model):
        predicted = model.predict(perturbation="control", output="mean")
        controls = torch.from_numpy(model.adata[predicted.obs["source_cell"]].X)
        with torch.inference_mode():
            expected = model.module.generators.control(model.module.encoder(controls), torch.zeros(1, 1))
        np.testing.assert_allclose(predicted.X, expected, atol=1e-6)
        np.testing.assert_array_equal(model.predict(perturbation="A", dose=0, output="mean").X, predicted.X)

    def test_doses_in_between_lie_in_between(self, model):
        low, half, high, more = (model.predict(perturbation="A", dose=dose, output="mean").X for dose in (0, 0.5, 1, 7))
        share = np.log1p(0.5) / np.log1p(1)
        np.testing.assert_allclose(half, (1 - share) * low + share * high, atol=1e-6)
        np.testing.assert_array_equal(more, high)

    def test_with_its_residual_a_control_stays_what_it_is(self, build, train):
        model = train(build(residual=True))
        predicted = model.predict(perturbation="control", output="mean")
        np.testing.assert_array_equal(predicted.X, model.adata[predicted.obs["source_cell"]].X)
        moved = model.predict(perturbation="A", output="mean").X
        assert (moved >= 0).all()
        assert (moved != predicted.X).any()

    def test_several_doses_are_predicted_in_order(self, build, train):
        model = train(build(setup={"dose_key": "dose"}, lr=0.01), 20)
        control, *doses = (
            model.predict(perturbation="A", dose=dose, output="mean").X for dose in (0, 0.2, 1, 2.5, 4, 50)
        )
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
        assert latent.names == ["latent_0", "latent_1", "latent_2", "latent_3"]
        assert list(change.names) == model.var_names_
        with torch.inference_mode():
            z = model.module.encoder(x)
            one = torch.ones(5, 1)
            moved = model.module.generators.treated(z, one) - model.module.generators.control(z, one)
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
        predicted = loaded.predict(new, perturbation="A", context="liver", dose=0.5, output="mean")
        np.testing.assert_array_equal(predicted.X, model.predict(new, perturbation="A", dose=0.5, output="mean").X)


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
            ({"depth": 2}, TypeError, "`SCPREGAN` has no setting 'depth'"),
            ({"decay": "none"}, ValueError, "`decay` must be one of"),
            ({"output": "linear"}, ValueError, "`output` must be one of"),
            ({"n_steps": 0}, ValueError, "`n_steps` must be at least 1, got 0"),
            ({"adversarial_weight": -1}, ValueError, "`adversarial_weight` must be at least 0, got -1"),
            ({"lr": 0}, ValueError, "`lr` must be above 0, got 0"),
        ],
    )
    def test_settings_that_do_not_exist(self, changes, error, message, build):
        with pytest.raises(error, match=message):
            build(**changes)


def simulated(shifts, rng=0):
    """Cells of five contexts, places in a latent space in which a drug is one shift, seen through a softplus."""
    generator = np.random.default_rng(rng)
    n_genes, n_cells = 60, 120
    places = 1.5 * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1], [0.4, -0.2]])
    loadings = generator.standard_normal((2, n_genes))
    effects = {"control": np.zeros(n_genes)}
    effects |= {name: size * generator.standard_normal(n_genes) for name, size in shifts.items()}
    parts, context, label = [], [], []
    for index, place in enumerate(places):
        for name, effect in effects.items():
            z = place + 0.5 * generator.standard_normal((n_cells, 2))
            mean = np.log1p(np.exp(z @ loadings + effect))
            parts.append(np.maximum(mean + 0.2 * generator.standard_normal((n_cells, n_genes)), 0.0))
            context += [f"c{index}"] * n_cells
            label += [name] * n_cells
    adata = ad.AnnData(np.concatenate(parts).astype(np.float32))
    adata.obs["perturbation"], adata.obs["context"] = label, context
    return adata


@pytest.mark.parametrize("shifts", [pytest.param({"A": 1.5}, marks=pytest.mark.slow), {"A": 1.5, "B": 1.5}], ids=len)
def test_changes_are_carried_over_to_a_context_whose_treated_cells_are_held_out(train, shifts):
    adata = simulated(shifts)
    in_context, labels = (adata.obs["context"] == "c4").to_numpy(), adata.obs["perturbation"].to_numpy()
    SCPREGAN.setup_anndata(adata, context_key="context")
    plain = {"output": "softplus", "residual": True, "decay": "cosine", "adversarial_weight": 0.1, "encoder_lr": 1e-3}
    model = SCPREGAN(adata, n_hidden=(32, 16), n_latent=8, n_steps=400, **plain)
    cells = np.flatnonzero(~(in_context & (labels != "control")))
    train(model, None, datasplitter_kwargs={"external_indexing": [cells]})
    control = adata.X[in_context & (labels == "control")].mean(0)
    truth = {name: adata.X[in_context & (labels == name)].mean(0) - control for name in shifts}
    for name in shifts:
        found = model.predict(perturbation=name, context="c4", output="mean").X.mean(0) - control
        assert np.corrcoef(found, truth[name])[0, 1] > 0.85
        errors = {other: np.mean((found - change) ** 2) for other, change in truth.items()}
        assert min(errors, key=errors.get) == name
        assert errors[name] < 0.4 * np.mean(truth[name] ** 2)
