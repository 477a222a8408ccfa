"""Networks that predict perturbations they have no cells of, from features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scpi

from .test_model import NAMES, N, change, simulate

QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}
MODELS = {
    "SENAVAE": ({"encoder": "linear", "n_hidden": 0, "n_factors": 6, "seed": 0}, {"max_epochs": 2}),
    "MultiTaskAE": ({"n_hidden": (16,), "n_latent": 5, "seed": 0}, {"max_epochs": 3}),
}
NEW = NAMES[N:]


def train(name, adata):
    cls, (init, options) = getattr(scpi.model, name), MODELS[name]
    cls.setup_anndata(adata)
    model = cls(adata, **init)
    model.train(**options, **QUIET)
    return model


@pytest.fixture(scope="module")
def screen():
    return simulate()


@pytest.fixture(scope="module", params=MODELS)
def model(request, screen):
    return train(request.param, screen[0].copy())


def test_perturbations_without_cells_are_predicted_better_than_their_mean(model, screen):
    true = screen[1]
    mean = true.loc[NAMES[:N]].mean()
    found = {name: change(model, name, n_cells=100) for name in NEW}
    gained = [np.corrcoef(found[name] - mean, true.loc[name] - mean)[0, 1] for name in NEW]
    assert np.median(gained) > 0.7
    squared = sum(np.square(found[name] - true.loc[name]).sum() for name in NEW)
    assert squared < 0.7 * sum(np.square(mean - true.loc[name]).sum() for name in NEW)
    assert set(model.predict(perturbation=NEW, n_cells=2).obs["status"]) == {"unseen"}


def test_stand_ins_are_weights_of_trained_perturbations(model):
    found = model.get_stand_ins(NEW[0])
    assert (found > 0).all()
    assert found.is_monotonic_decreasing
    assert set(found.index) <= set(NAMES[:N])
    assert found.sum() == pytest.approx(1.0, abs=0.05)


def test_the_prediction_is_the_mixture_of_what_is_predicted_of_the_stand_ins(model):
    weights = model.get_stand_ins(NEW[1])
    parts = sum(weight * change(model, name) for name, weight in weights.items())
    # Exact for effects that add up; those of a model of logarithms of means do so nearly
    assert np.corrcoef(change(model, NEW[1]), parts)[0, 1] > 0.98


def test_without_features_the_mean_is_predicted_and_flagged(model):
    predicted = model.predict(perturbation=["unknown"], n_cells=2)
    assert set(predicted.obs["status"]) == {"no features"}
    assert [model._has_mean(label) for label in ("unknown", NEW[0], "P00", f"{NEW[0]}+P00")] == [
        True,
        False,
        False,
        False,
    ]
    assert model.get_stand_ins("unknown").tolist() == pytest.approx([1 / N] * N)


def test_combinations_with_a_perturbation_without_cells(model):
    predicted = model.predict(perturbation=f"{NEW[0]}+P00", n_cells=2)
    assert set(predicted.obs["status"]) == {"unseen"}
    both = change(model, f"{NEW[0]}+P00", n_cells=100)
    parts = change(model, NEW[0], n_cells=100) + change(model, "P00", n_cells=100)
    assert np.corrcoef(both, parts)[0, 1] > 0.97


def test_names_that_nothing_is_known_of_are_refused(model):
    with pytest.raises(ValueError, match="nowhere"):
        model.predict(perturbation="nowhere")
    with pytest.raises(ValueError, match="'P00' is not predicted from other perturbations"):
        model.get_stand_ins("P00")


def test_a_saved_model_predicts_the_same(model, screen, tmp_path):
    model.save(tmp_path / "model")
    adata = screen[0].copy()
    del adata.uns["perturbation_features"]
    loaded = type(model).load(tmp_path / "model", adata=adata)
    np.testing.assert_allclose(change(loaded, NEW[0], n_cells=50), change(model, NEW[0], n_cells=50), atol=1e-5)
    pd.testing.assert_series_equal(loaded.get_stand_ins(NEW[0]), model.get_stand_ins(NEW[0]))


@pytest.mark.parametrize("name", MODELS)
def test_cells_that_were_held_out_are_predicted_from_features_too(name, screen):
    adata = screen[0].copy()
    cls, (init, options) = getattr(scpi.model, name), MODELS[name]
    cls.setup_anndata(adata)
    model = cls(adata, **init)
    model.train(held_out=["P00", "P01"], **options, **QUIET) if name == "SENAVAE" else model.train(
        datasplitter_kwargs={
            "external_indexing": [
                np.flatnonzero(~adata.obs["perturbation"].isin(["P00", "P01"])),
                np.zeros(0, dtype=np.int64),
            ]
        },
        **options,
        **QUIET,
    )
    assert set(model.predict(perturbation=["P00"], n_cells=2).obs["status"]) == {"unseen"}
    true, mean = screen[1].loc["P00"], screen[1].loc[NAMES[2:N]].mean()
    assert np.corrcoef(change(model, "P00") - mean, true - mean)[0, 1] > 0.5
    assert "P00" not in model.get_stand_ins("P00").index


@pytest.mark.parametrize("name", MODELS)
def test_features_that_tell_nothing_bring_the_mean_back(name):
    adata, _ = simulate(informative=0.0, seed=4)
    model = train(name, adata)
    assert set(model.predict(perturbation=[NEW[0]], n_cells=2).obs["status"]) == {"no better than the mean"}
    assert model.get_stand_ins(NEW[0]).tolist() == pytest.approx([1 / N] * N)


@pytest.mark.parametrize("name", MODELS)
def test_without_features_nothing_changes(name, screen):
    adata = screen[0].copy()
    del adata.uns["perturbation_features"]
    model = train(name, adata)
    with pytest.raises(ValueError, match=NEW[0]):
        model.predict(perturbation=NEW[0])
