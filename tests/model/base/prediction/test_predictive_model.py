from __future__ import annotations

import numpy as np
import pytest

import scpi


@pytest.fixture(scope="module")
def adata(make_screen):
    return make_screen()


@pytest.fixture(scope="module")
def model(adata, build):
    return build("Additive", adata)


def test_cells_are_drawn_from_the_given_controls(model, adata):
    controls = np.flatnonzero(adata.obs["perturbation"] == "control")
    perturbed = np.flatnonzero(adata.obs["perturbation"] != "control")
    wanted = np.concatenate([controls[5:8], perturbed[:3]])
    mask = np.zeros(adata.n_obs, dtype=bool)
    mask[wanted] = True
    for indices in (wanted, mask):
        predicted = model.predict(perturbation="A", indices=indices, output="mean")
        assert predicted.obs["source_cell"].tolist() == adata.obs_names[controls[5:8]].tolist()
    with pytest.raises(ValueError, match=r"no control cell \('control'\) to start"):
        model.predict(perturbation="A", indices=perturbed, output="mean")
    with pytest.raises(ValueError, match="between 0 and"):
        model.predict(perturbation="A", indices=[adata.n_obs], output="mean")


def test_the_seed_draws_the_cells(model):
    names = [
        model.predict(perturbation="A", n_cells=10, rng=rng, output="mean").obs["source_cell"].tolist()
        for rng in (1, 1, 2, np.random.default_rng(1))
    ]
    assert names[0] == names[1] == names[3] != names[2]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"n_cells": 0}, "at least 1"), ({"dose": np.nan}, "finite number"), ({"dose": -1.0}, "at least 0, got -1.0")],
)
def test_arguments_out_of_range(model, kwargs, message):
    with pytest.raises(ValueError, match=message):
        model.predict(perturbation="A", **kwargs, output="mean")


def test_a_dose_beyond_those_measured_is_predicted_with_a_warning(make_screen, build):
    model = build("Additive", make_screen(), setup={"dose_key": "dose"})
    for dose in (0.25, 2.0):
        with pytest.warns(
            UserWarning, match=rf"The dose {dose:g} lies outside of the measured range, 0.5 to 1"
        ) as seen:
            assert model.predict(perturbation="A", dose=dose, n_cells=2, output="mean").n_obs == 2
        assert seen[0].filename == __file__
    for dose in (0.0, 0.5, 0.75, 1.0):
        model.predict(perturbation="A", dose=dose, n_cells=2, output="mean")


def test_states_of_labels(model):
    predicted = model.predict(perturbation=["A", "A+B", "B+D", "control"], n_cells=1, output="mean")
    assert predicted.obs["status"].tolist() == ["trained", "trained", "unseen combination", "control"]


def test_a_perturbation_seen_in_combinations_only_is_unseen(make_screen, build):
    adata = make_screen(conditions={"control": 20, "A": 10, "A+B": 10})
    model = build("SENAVAE", adata, {"encoder": "mlp"})
    assert model.predict(perturbation="B", n_cells=2, output="mean").obs["status"].tolist() == ["unseen"] * 2
    model = build("Additive", make_screen(conditions={"control": 20, "A": 10, "A+B": 10}))
    with pytest.raises(ValueError, match=r"No training cell has 'B' alone"):
        model.predict(perturbation="A+B", output="mean")


def test_repeated_views_leave_nothing_behind(model, make_screen):
    full = make_screen()
    for start in range(4):
        model.predict(full[start : 80 + start], perturbation="A", output="mean")
    managers = type(model)._per_instance_manager_store[model.id]
    assert len(managers) == 2
    model.predict(perturbation="A", output="mean")


def test_a_model_without_data_says_that_it_needs_some(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = scpi.model.Additive.load(tmp_path / "model", adata=False, accelerator="cpu")
    with pytest.raises(ValueError, match="loaded without data"):
        loaded.predict(perturbation="A", output="mean")
