from __future__ import annotations

import os
import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scpi
from scpi.model.base import ScreenModel

CASES = {
    "SENAVAE-gene_sets-normal": ("SENAVAE", {}),
    "SENAVAE-gene_sets-nb": ("SENAVAE", {"likelihood": "nb"}),
    "SENAVAE-mlp-normal": ("SENAVAE", {"encoder": "mlp", "mechanism": "relu"}),
    "SENAVAE-mlp-nb": ("SENAVAE", {"encoder": "mlp", "likelihood": "nb", "n_factors": 3}),
    "SENAVAE-linear-normal": ("SENAVAE", {"encoder": "linear", "n_hidden": 0}),
    "SENAVAE-linear-nb": ("SENAVAE", {"encoder": "linear", "n_hidden": 0, "likelihood": "nb", "mechanism": "none"}),
    "SENAVAE-sena": ("SENAVAE", {"preset": "sena", "leak": 0.1}),
    "SENAVAE-zhang": ("SENAVAE", {"preset": "zhang"}),
    "Additive": ("Additive", {}),
    "Linear": ("Linear", {}),
    "LinearDose": ("LinearDose", {}),
    "LogRatioDelta": ("LogRatioDelta", {}),
    "LogRatioLinear": ("LogRatioLinear", {}),
    "MeanDelta": ("MeanDelta", {}),
    "MultiTaskAE": ("MultiTaskAE", {"n_hidden": (32,), "n_latent": 8}),
    "MultiTaskAE-nb": ("MultiTaskAE", {"n_hidden": (32,), "n_latent": 8, "likelihood": "nb"}),
    "MultiTaskAE-dose": ("MultiTaskAE", {"coding": "dose", "conditioning": "concat", "n_trunk": (8,)}),
    "MultiTaskAE-published-vae-ot": ("MultiTaskAE", {"preset": "published-vae-ot", "n_hidden": (32,)}),
    "MultiTaskAE-published-adversarial": ("MultiTaskAE", {"preset": "published-adversarial", "n_hidden": (32,)}),
    "NearestDelta": ("NearestDelta", {}),
    "NoChange": ("NoChange", {}),
    "PCAShift": ("PCAShift", {"n_components": 4}),
    "RidgeDelta": ("RidgeDelta", {}),
    "SCButterfly-published": ("SCButterfly", {"preset": "published"}),
    "SCButterfly-scpi": ("SCButterfly", {}),
    "SCGEN": ("SCGEN", {"n_hidden": 32, "n_latent": 8}),
    "SCGEN-published": ("SCGEN", {"preset": "published", "n_hidden": 32}),
    "SCPREGAN-published": ("SCPREGAN", {"n_hidden": (16, 8)}),
    "SCPREGAN-residual": ("SCPREGAN", {"n_hidden": (16, 8), "residual": True, "output": "softplus"}),
    "SCVIDR": ("SCVIDR", {"n_hidden": 32, "n_latent": 8}),
    "SCVIDR-published": ("SCVIDR", {"preset": "published", "n_hidden": 32}),
    "TrainMean": ("TrainMean", {}),
    "WeightedDelta": ("WeightedDelta", {}),
}
# What costs ten times as much and is the same for all: zarr, which holds what HDF5 does, and all scores where one will
# do, for the scores know nothing of the model. A network and a baseline do.
IN_FULL = [("SENAVAE", {}), ("MeanDelta", {})]
KEYS = {"context_key": "cell_type", "dose_key": "dose", "batch_key": "batch", "size_factor_key": "depth"}


def screen_models():
    """Public models of screens."""
    public = ((name, getattr(scpi.model, name)) for name in scpi.model.__all__)
    return {name for name, value in public if isinstance(value, type) and issubclass(value, ScreenModel)}


# A model without a case of its own is in the contract with its defaults
CASES |= {name: (name, {}) for name in sorted(screen_models() - {name for name, _ in CASES.values()})}


def test_every_public_model_of_screens_is_in_the_contract():
    assert {name for name, _ in CASES.values()} == screen_models()


@pytest.fixture(scope="module", params=list(CASES))
def case(request):
    return CASES[request.param]


def logged(adata):
    """Counts scaled to the median total, as log1p."""
    total = np.asarray(adata.X.sum(1)).ravel()
    adata.X = sparse.csr_matrix(adata.X.multiply((np.median(total) / total)[:, None]).log1p(), dtype=np.float32)
    return adata


@pytest.fixture(scope="module")
def make_data(case, make_screen):
    """Maker of screens on the scale that the model reads."""
    reads_logs = getattr(scpi.model, case[0])._reads_logs
    if case[0] == "MultiTaskAE":
        # Its likelihood decides
        reads_logs = case[1].get("likelihood") != "nb"
    return lambda **kwargs: logged(make_screen(**kwargs)) if reads_logs else make_screen(**kwargs)


@pytest.fixture(scope="module")
def before(make_data):
    adata = make_data()
    # As the test that saves the data makes them, so that the order of tests does not matter
    adata.strings_to_categoricals()
    return adata


@pytest.fixture(scope="module")
def adata(case, before):
    # One for each case: a model's keys must not be found by another's tests.
    return before.copy()


@pytest.fixture(scope="module")
def model(case, adata, build):
    return build(case[0], adata, case[1], train={"held_out": ["C+D"]})


@pytest.fixture(scope="module")
def with_doses(case, make_data, build):
    # Enough cells at every dose of a context for a change to be more than its noise
    conditions = {"control": 200, "A": 60, "B": 60, "C": 60, "D": 20, "A+B": 60, "C+D": 20}
    return build(
        case[0], make_data(conditions=conditions), case[1], setup={"dose_key": "dose", "context_key": "cell_type"}
    )


@pytest.fixture(scope="module")
def predicted(model):
    return model.predict(perturbation=["A", "A+B"], n_cells=12, output="mean")


def values(predicted):
    return np.asarray(predicted.X)


class TestContract:
    def test_training_makes_a_trained_model(self, case, model, capsys):
        assert model.is_trained
        print(model)
        assert case[0] in capsys.readouterr().out
        assert model.perturbations_ == ["A", "B", "C", "D"]
        assert model.trained_conditions_ == ["A", "A+B", "B", "C", "D"]

    def test_the_data_keeps_all_but_the_keys_of_the_setup(self, model, adata, before, assert_unchanged):
        assert_unchanged(adata, before, setup=True)

    def test_cells_of_a_held_out_condition_are_test_cells(self, model, adata):
        held_out = np.flatnonzero(adata.obs["perturbation"] == "C+D")
        assert set(held_out) <= set(model.test_indices)
        assert not set(held_out) & (set(model.train_indices) | set(model.validation_indices))
        everything = np.concatenate([model.train_indices, model.validation_indices, model.test_indices])
        np.testing.assert_array_equal(np.sort(everything), np.arange(adata.n_obs))

    def test_a_prediction_says_what_was_predicted_for_which_cells(self, case, model, adata, predicted):
        assert predicted.shape == (24, adata.n_vars)
        assert predicted.X.dtype == np.float32
        assert np.isfinite(values(predicted)).all()
        assert predicted.obs["perturbation"].tolist() == ["A"] * 12 + ["A+B"] * 12
        assert set(predicted.obs["status"]) == {"trained"}
        sources = adata.obs.loc[predicted.obs["source_cell"], "perturbation"]
        assert (sources == "control").all()
        # 12 of 48 controls are drawn without replacement.
        assert predicted.obs["source_cell"].iloc[:12].is_unique
        assert predicted.var_names.equals(adata.var_names)
        stored = predicted.uns["prediction"]
        assert stored["model"] == case[0]
        assert list(stored["params"]["perturbation"]) == ["A", "A+B"]
        # A cell that two predictions start from counts twice.
        started_from = adata.to_df().loc[predicted.obs["source_cell"]].to_numpy()
        np.testing.assert_allclose(stored["control_mean"], started_from.mean(0), rtol=1e-5)

    def test_all_control_cells_are_used_by_default(self, model, adata):
        predicted = model.predict(perturbation="B", output="mean")
        assert predicted.obs["source_cell"].tolist() == adata.obs_names[adata.obs["perturbation"] == "control"].tolist()

    def test_more_cells_than_controls_can_be_asked_for(self, model):
        assert model.predict(perturbation="B", n_cells=60, output="mean").n_obs == 60

    def test_a_prediction_survives_files(self, case, predicted, tmp_path):
        # A copy, for anndata turns words into categories when it writes.
        copy = predicted.copy()
        copy.write_h5ad(tmp_path / "p.h5ad")
        again = [ad.read_h5ad(tmp_path / "p.h5ad")]
        if case in IN_FULL:
            copy.write_zarr(tmp_path / "p.zarr")
            again.append(ad.read_zarr(tmp_path / "p.zarr"))
        for read in again:
            np.testing.assert_array_equal(values(read), values(predicted))
            assert read.obs["status"].tolist() == predicted.obs["status"].tolist()
            assert read.obs["source_cell"].tolist() == predicted.obs["source_cell"].tolist()
            np.testing.assert_array_equal(
                read.uns["prediction"]["control_mean"], predicted.uns["prediction"]["control_mean"]
            )
            assert read.uns["prediction"]["model"] == predicted.uns["prediction"]["model"]
            assert list(read.uns["prediction"]["params"]["perturbation"]) == ["A", "A+B"]

    @pytest.mark.smoke("anndata", "numpy")
    def test_a_saved_model_predicts_the_same(self, model, adata, predicted, tmp_path):
        model.save(tmp_path / "model", save_anndata=True)
        cls = type(model)
        for loaded in (
            cls.load(tmp_path / "model", adata=adata, accelerator="cpu"),
            cls.load(tmp_path / "model", accelerator="cpu"),
        ):
            again = loaded.predict(perturbation=["A", "A+B"], n_cells=12, output="mean")
            np.testing.assert_array_equal(values(again), values(predicted))
            assert again.obs.equals(predicted.obs)
            np.testing.assert_array_equal(loaded.train_indices, model.train_indices)
            assert loaded.history.keys() == model.history.keys()
            if hasattr(model, "preset_"):
                assert loaded.preset_ == model.preset_

    def test_a_saved_model_is_no_pickle_and_its_damage_is_found(self, model, tmp_path):
        folder = tmp_path / "model"
        model.save(folder)
        assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]
        for path in folder.iterdir():
            content = path.read_bytes()
            for place in (0, len(content) // 2, len(content) - 1):
                path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
                with pytest.raises(ValueError, match=rf"{path.name}' is damaged"):
                    type(model).load(folder, adata=False, accelerator="cpu")
            path.write_bytes(content)
        assert type(model).load(folder, adata=False, accelerator="cpu").is_trained

    def test_a_model_loaded_without_data_predicts_from_other_cells(self, model, make_data, predicted, tmp_path):
        model.save(tmp_path / "model")
        loaded = type(model).load(tmp_path / "model", adata=False, accelerator="cpu")
        with pytest.raises(ValueError, match="no data to train on"):
            loaded.train(1)
        fresh = make_data()
        del fresh.varm["gene_sets"], fresh.uns["gene_sets"]
        again = loaded.predict(fresh, perturbation=["A", "A+B"], n_cells=12, output="mean")
        np.testing.assert_array_equal(values(again), values(predicted))
        assert again.obs.equals(predicted.obs)

    def test_new_cells_are_predicted_like_those_trained_on(self, model, adata, before):
        controls = np.flatnonzero(adata.obs["perturbation"] == "control")[:10]
        expected = model.predict(perturbation="A+B", indices=controls, output="mean")
        new = before[controls].copy()
        np.testing.assert_allclose(
            values(model.predict(new, perturbation="A+B", output="mean")), values(expected), atol=1e-5
        )

    def test_new_cells_may_be_an_unseen_combination(self, model, make_data):
        new = make_data(conditions={"control": 6, "D+A": 4, "B+D+C": 2}, rng=1)
        assert model.predict(new, perturbation="A+D", output="mean").n_obs == 6
        assert model.evaluate(new, metrics=["rmse"]).index.tolist() == ["A+D", "B+C+D"]

    def test_new_cells_with_an_unknown_perturbation_are_refused(self, model, make_data, assert_unchanged):
        new = make_data(conditions={"control": 6, "D+A": 4}, rng=1)
        new.obs["perturbation"] = new.obs["perturbation"].replace({"D+A": "D+X"})
        copy = new.copy()
        with pytest.raises(ValueError, match=r"Unknown perturbation 'X'.*'A', 'B', 'C', 'D'"):
            model.predict(new, perturbation="A", output="mean")
        assert_unchanged(new, copy)

    def test_the_order_of_the_members_does_not_matter(self, model):
        one, other = (model.predict(perturbation=label, n_cells=9, output="mean") for label in ("B+A", "A+B"))
        np.testing.assert_array_equal(values(one), values(other))
        assert set(one.obs["perturbation"]) == {"A+B"}

    def test_combinations_may_be_unseen_and_of_any_size(self, model):
        predicted = model.predict(perturbation=["A+C", "C+A+B", "C+D"], n_cells=5, output="mean")
        assert predicted.obs["perturbation"].unique().tolist() == ["A+C", "A+B+C", "C+D"]
        assert set(predicted.obs["status"]) == {"unseen combination"}
        assert np.isfinite(values(predicted)).all()

    def test_an_unknown_perturbation_is_named_beside_the_known_ones(self, model):
        with pytest.raises(ValueError, match=r"Unknown perturbation 'Z'.*'A', 'B', 'C', 'D'.*control 'control'"):
            model.predict(perturbation="A+Z", output="mean")

    def test_perturbations_are_named_once(self, model):
        with pytest.raises(ValueError, match="each once"):
            model.predict(perturbation=["A+B", "B+A"], output="mean")
        with pytest.raises(ValueError, match="at least one"):
            model.predict(perturbation=[], output="mean")

    def test_a_context_needs_a_context_key(self, model):
        with pytest.raises(ValueError, match="context_key"):
            model.predict(perturbation="A", context="T", output="mean")

    def test_a_view_is_read_and_stays_a_view(self, model, before):
        # The first cells of the screen, which are in random order, with controls among them.
        view = before[:80]
        predicted = model.predict(view, perturbation="A", output="mean")
        assert view.is_view
        np.testing.assert_array_equal(
            values(predicted), values(model.predict(before[:80].copy(), perturbation="A", output="mean"))
        )

    @pytest.mark.parametrize(
        "convert",
        [
            sparse.csc_matrix,
            sparse.csr_array,
            lambda x: x.toarray(),
            lambda x: np.asfortranarray(x.toarray()),
            lambda x: x.astype(np.float64),
            lambda x: x.toarray().astype(np.int64),
            lambda x: x.astype(np.int32),
        ],
        ids=["csc", "csr_array", "dense", "fortran", "float64", "int64", "csr_int32"],
    )
    def test_the_format_of_the_matrix_does_not_matter(self, model, make_data, predicted, convert):
        new = make_data()
        new.X = convert(new.X)
        if model._reads_logs and np.issubdtype(new.X.dtype, np.integer):
            with pytest.raises(ValueError, match="log-normalised"):
                model.predict(new, perturbation="A", output="mean")
            return
        again = model.predict(new, perturbation=["A", "A+B"], n_cells=12, output="mean")
        np.testing.assert_allclose(values(again), values(predicted), atol=1e-5)

    def test_models_of_counts_generate_cells_of_groups(self, case, model, adata, tmp_path):
        plan = pd.DataFrame({"perturbation": ["A", "D+C", "control"], "n_cells": 4})
        if not hasattr(model, "generate"):
            assert case[1].get("likelihood") != "nb"
            return
        if case[1].get("likelihood") != "nb":
            for call in (lambda: model.generate(plan), lambda: model.counterfactual(perturbation="A")):
                with pytest.raises(ValueError, match=rf"This {case[0]} has no likelihood of counts.*call `predict`"):
                    call()
            return
        cells = model.generate(plan)
        assert cells.shape == (12, adata.n_vars) and (cells.X.data % 1 == 0).all()
        assert cells.obs["perturbation"].tolist() == ["A"] * 4 + ["D+C"] * 4 + ["control"] * 4
        assert cells.obs["status"].tolist() == ["trained"] * 4 + ["unseen combination"] * 4 + ["trained"] * 4
        assert (adata.obs.loc[cells.obs["source_cell"], "perturbation"] == "control").all()
        model.save(tmp_path / "model")
        loaded = type(model).load(tmp_path / "model", adata=adata, accelerator="cpu")
        assert (loaded.generate(plan).X != cells.X).nnz == 0
        unbound = type(model).load(tmp_path / "model", adata=False, accelerator="cpu")
        new = unbound.counterfactual(adata, indices=[0, 1], perturbation="C+D", output="mean")
        np.testing.assert_allclose(
            new.X, model.counterfactual(indices=[0, 1], perturbation="D+C", output="mean").X, rtol=0.02
        )
        with pytest.raises(ValueError, match=r"Unknown perturbation 'Z'.*'A', 'B', 'C', 'D'"):
            model.generate(plan.assign(perturbation="A+Z"))

    def test_missing_genes_are_named(self, model, before, assert_unchanged):
        new = before[:, before.var_names != "g3"].copy()
        copy = new.copy()
        with pytest.raises(ValueError, match=r"lacks 1 of the 24 genes.*'g3'"):
            model.predict(new, perturbation="A", output="mean")
        assert_unchanged(new, copy)

    def test_genes_in_another_order_are_refused(self, model, before, adata, tmp_path, assert_unchanged):
        new = before[:, before.var_names[::-1]].copy()
        copy = new.copy()
        with pytest.raises(ValueError, match="in its order"):
            model.predict(new, perturbation="A", output="mean")
        model.save(tmp_path / "model")
        with pytest.raises(ValueError, match="in its order"):
            type(model).load(tmp_path / "model", adata=new, accelerator="cpu")
        assert_unchanged(new, copy)

    def test_words_are_no_expression(self, case, model, make_data):
        new = make_data()
        new.X = np.full(new.shape, "one", dtype=object)
        with pytest.raises(TypeError, match="must hold numbers"):
            model.predict(new, perturbation="A", output="mean")
        with pytest.raises(TypeError, match="must hold numbers"):
            getattr(scpi.model, case[0]).setup_anndata(new)

    def test_an_evaluation_is_a_table_of_perturbations(self, case, model, adata):
        everything, in_full = np.arange(adata.n_obs), case in IN_FULL
        few = ["rmse", "r2", "mmd", "energy_distance"]
        table = model.evaluate(indices=everything, metrics=None if in_full else few)
        assert table.index.tolist() == ["A", "A+B", "B", "C", "C+D", "D"]
        assert table["n_cells"].tolist() == [16, 16, 16, 16, 12, 12]
        assert table["status"].tolist() == ["trained"] * 4 + ["unseen combination", "trained"]
        names = scpi.benchmark.list_metrics()["metric"] if in_full else few
        assert table.columns.tolist() == ["status", "n_cells", *names]
        assert np.isfinite(table[few].to_numpy()).all()
        # A subset in another order is scored alike, up to the draws.
        one = model.evaluate(indices=everything, perturbation=["B+A"], metrics=["rmse"])
        assert one.index.tolist() == ["A+B"]
        if in_full:
            again = model.evaluate(indices=everything, metrics=["rmse", "mmd"])
            assert again.equals(table[["status", "n_cells", "rmse", "mmd"]])

    def test_an_evaluation_of_the_training_data_takes_the_test_cells(self, model):
        table = model.evaluate(metrics=["rmse"])
        assert table.index.tolist() == ["C+D"]
        assert table["n_cells"].tolist() == [12]

    def test_the_same_seed_gives_the_same_model_and_leaves_the_global_generators_alone(
        self, case, make_data, predicted, build
    ):
        adata = make_data()
        before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
        again = build(case[0], adata, case[1], train={"held_out": ["C+D"]})
        np.testing.assert_array_equal(
            values(again.predict(perturbation=["A", "A+B"], n_cells=12, output="mean")), values(predicted)
        )
        assert torch.equal(torch.get_rng_state(), before[0])
        # With the place of the next number: the numbers themselves change only once for hundreds of draws
        np.testing.assert_equal(np.random.get_state(), before[1])  # noqa: NPY002

    def test_context_dose_batch_and_size_factor(self, case, make_data, build, tmp_path):
        adata = make_data()
        model = build(case[0], adata, case[1], setup=KEYS)
        predicted = model.predict(perturbation=["A", "C+D"], context="T", dose=0.5, n_cells=7, output="mean")
        assert set(predicted.obs["context"]) == {"T"}
        assert set(predicted.obs["dose"]) == {0.5}
        assert (adata.obs.loc[predicted.obs["source_cell"], "cell_type"] == "T").all()
        assert predicted.uns["prediction"]["params"]["context"] == "T"
        assert predicted.uns["prediction"]["params"]["dose"] == 0.5
        with pytest.raises(ValueError, match=r"Unknown context 'liver'.*'B', 'T'"):
            model.predict(perturbation="A", context="liver", output="mean")
        model.save(tmp_path / "model")
        loaded = type(model).load(tmp_path / "model", adata=False, accelerator="cpu")
        again = loaded.predict(make_data(), perturbation=["A", "C+D"], context="T", dose=0.5, n_cells=7, output="mean")
        np.testing.assert_array_equal(values(again), values(predicted))
        table = model.evaluate(**({} if case in IN_FULL else {"perturbation": "A", "metrics": ["rmse"]}))
        assert len(table) > 0
        assert np.isfinite(table["rmse"]).all()

    def test_a_dose_of_zero_changes_nothing(self, with_doses):
        none, other = (
            with_doses.predict(perturbation=name, dose=dose, output="mean")
            for name, dose in (("A", 0.0), ("control", None))
        )
        np.testing.assert_array_equal(values(none), values(other))

    def test_each_member_of_a_combination_has_a_dose_of_its_own(self, case, with_doses):
        model = with_doses
        doses = {"A": 0.5, "C": 1.0}, {"C": 1.0, "A": 0.5}, {"A": 1.0, "C": 0.5}
        same, again, other = (
            values(model.predict(perturbation="A+C", dose=dose, n_cells=9, rng=0, output="mean")) for dose in doses
        )
        np.testing.assert_array_equal(same, again)
        # The mean of all conditions and no change have no doses
        assert (same != other).any() == (case[0] not in ("NoChange", "TrainMean"))
        control = {"A": 0.0, "C": 1.0}
        alone = model.predict(perturbation="C", dose=1.0, n_cells=9, rng=0, output="mean")
        both = model.predict(perturbation="A+C", dose=control, n_cells=9, rng=0, output="mean")
        np.testing.assert_allclose(values(both), values(alone), rtol=1e-5, atol=1e-6)

    def test_a_calibrated_model_has_intervals_and_keeps_them(self, with_doses, quiet, tmp_path):
        model = with_doses
        asked = {
            "perturbation": ["A", "B"],
            "context": "T",
            "dose": 1.0,
            "n_cells": 5,
            "output": "mean",
            "interval": 0.6,
        }
        with pytest.raises(ValueError, match=r"call `model.calibrate\('contexts'\)` first"):
            model.predict(**asked)
        model.calibrate("contexts", train_kwargs={"max_epochs": 1} | quiet)
        predicted = model.predict(**asked)
        lower, upper = (predicted.layers[end] for end in ("lower", "upper"))
        for rows in (slice(0, 5), slice(5, 10)):
            assert (lower[rows] == lower[rows][0]).all()
            start = model.adata[predicted.obs["source_cell"].iloc[rows]].X.toarray().mean(0)
            centre = (lower[rows][0] + upper[rows][0]) / 2
            np.testing.assert_allclose(centre, values(predicted)[rows].mean(0) - start, rtol=1e-3, atol=1e-4)
        assert (lower <= upper).all()
        assert predicted.obs["confidence"].between(0.0, 1.0).all()
        with pytest.raises(ValueError, match="needs 9 held-out contexts, but there are 2"):
            model.predict(**asked | {"interval": 0.9})
        model.save(tmp_path / "model")
        again = type(model).load(tmp_path / "model", model.adata, accelerator="cpu").predict(**asked)
        np.testing.assert_array_equal(again.layers["lower"], lower)
        np.testing.assert_array_equal(again.obs["confidence"], predicted.obs["confidence"])

    def test_an_untrained_model_predicts_nothing(self, case, make_data):
        adata = make_data()
        cls = getattr(scpi.model, case[0])
        cls.setup_anndata(adata)
        with pytest.raises(RuntimeError, match="trained"):
            cls(adata, **case[1]).predict(perturbation="A", output="mean")


@pytest.mark.parametrize("name", sorted(screen_models() - {"NoChange"}))
def test_doses_are_used_without_contexts(name, make_screen, build):
    """What cells at two measured doses differ in, predictions at these doses differ in."""
    adata = make_screen(conditions={"control": 120, "A": 120, "B": 60})
    strong = ((adata.obs["perturbation"] == "A") & (adata.obs["dose"] == 1.0)).to_numpy()
    x = adata.X.toarray()
    x[strong, :5] = 4 * x[strong, :5] + 4
    adata.X = sparse.csr_matrix(x)
    model = build(name, logged(adata), setup={"dose_key": "dose"}, train={"train_size": 1.0})
    low, high = (values(model.predict(perturbation="A", dose=dose, output="mean")).mean(0) for dose in (0.5, 1.0))
    if hasattr(model, "preset_"):
        # Networks of one epoch know no more than that there are two doses
        assert np.abs(high - low).max() > 1e-3
    else:
        assert (high - low)[:5].min() > 0.2


def test_results_do_not_depend_on_the_process(make_screen, build, tmp_path):
    """Neither the order of sets nor that of other hashes gets into a result."""
    names = ["SENAVAE-gene_sets-nb", "SENAVAE-linear-normal", "SENAVAE-sena", "Additive"]
    script = tmp_path / "fit.py"
    make_screen().write_h5ad(tmp_path / "screen.h5ad")
    script.write_text(
        "import anndata, numpy as np, scpi\n"
        f"for name, (cls, kwargs) in { ({name: CASES[name] for name in names})!r}.items():\n"
        "    adata = anndata.read_h5ad('screen.h5ad')\n"
        "    cls = getattr(scpi.model, cls)\n"
        "    cls.setup_anndata(adata, batch_key='batch', context_key='cell_type')\n"
        "    model = cls(adata, **kwargs)\n"
        "    model.train(max_epochs=1, accelerator='cpu', enable_progress_bar=False, held_out=['C+D', 'A+B'])\n"
        "    np.save(name, model.predict(perturbation=['A', 'C+D'], n_cells=5, output='mean').X)\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    result = subprocess.run(
        [sys.executable, str(script)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    for name in names:
        model = build(
            CASES[name][0],
            ad.read_h5ad(tmp_path / "screen.h5ad"),
            CASES[name][1],
            setup={"batch_key": "batch", "context_key": "cell_type"},
            train={"held_out": ["A+B", "C+D"]},
        )
        x = values(model.predict(perturbation=["A", "C+D"], n_cells=5, output="mean"))
        # Processes may round differently in the last digits, for the memory of each is aligned in its own way.
        np.testing.assert_allclose(x, np.load(tmp_path / f"{name}.npy"), rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", ["SENAVAE-gene_sets-nb", "SENAVAE-linear-normal", "Additive"])
@pytest.mark.parametrize(
    "convert",
    [sparse.csc_matrix, lambda x: x.toarray(), lambda x: x.astype(np.float64), lambda x: x.toarray().astype(np.int64)],
    ids=["csc", "dense", "float64", "int64"],
)
def test_training_does_not_depend_on_the_format(name, convert, make_screen, build, assert_unchanged):
    expected = build(*CASES[name][:1], make_screen(), CASES[name][1]).predict(
        perturbation="A", n_cells=6, output="mean"
    )
    adata = make_screen()
    adata.X = convert(adata.X)
    before = adata.copy()
    model = build(CASES[name][0], adata, CASES[name][1])
    np.testing.assert_allclose(
        values(model.predict(perturbation="A", n_cells=6, output="mean")), values(expected), atol=1e-5
    )
    assert_unchanged(adata, before, setup=True)


@pytest.mark.parametrize("name", ["SENAVAE-gene_sets-nb", "Additive"])
def test_a_layer_is_read_in_place_of_x(name, make_screen, build):
    expected = build(*CASES[name][:1], make_screen(), CASES[name][1]).predict(
        perturbation="A", n_cells=6, output="mean"
    )
    adata = make_screen()
    adata.layers["counts"] = adata.X.copy()
    adata.X = np.full(adata.shape, 0.5, dtype=np.float32)
    model = build(CASES[name][0], adata, CASES[name][1], setup={"layer": "counts"})
    np.testing.assert_array_equal(values(model.predict(perturbation="A", n_cells=6, output="mean")), values(expected))
