"""Refits without a part of the training conditions."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.model import Additive, MeanDelta, PerturbationGP


@pytest.fixture
def model(screen):
    MeanDelta.setup_anndata(screen, layer=None)
    model = MeanDelta(screen)
    model.train(train_size=1.0)
    return model


def means(adata):
    return adata.to_df().groupby(adata.obs["perturbation"].replace({"B+A": "A+B"})).mean()


def test_what_is_kept_is_what_a_model_without_it_predicts(model, screen):
    model.calibrate("perturbations")
    kept = model.left_out_["perturbations"]
    found = means(screen)
    change = found - found.loc["control"]
    labels = kept["perturbation"]
    assert sorted(labels) == ["A", "A+B", "B", "C", "C+D", "D"]
    np.testing.assert_allclose(kept["measured"], change.loc[labels], atol=1e-5)
    # Without A the mean is over B, C, D and C+D
    without = labels.index("A")
    np.testing.assert_allclose(kept["predicted"][without], change.loc[["B", "C", "D", "C+D"]].mean(), atol=1e-5)
    np.testing.assert_allclose(kept["of_mean"][without], change.loc[["B", "C", "D"]].mean(), atol=1e-5)
    assert kept["is_combination"].tolist() == ["+" in label for label in labels]


def test_combinations_keep_their_members(screen):
    Additive.setup_anndata(screen)
    model = Additive(screen)
    model.train(train_size=1.0)
    model.calibrate("combinations")
    kept = model.left_out_["combinations"]
    change = means(screen) - means(screen).loc["control"]
    assert sorted(kept["perturbation"]) == ["A+B", "C+D"]
    for label, predicted in zip(kept["perturbation"], kept["predicted"], strict=True):
        np.testing.assert_allclose(predicted, change.loc[label.split("+")].sum(), atol=1e-5)


def test_contexts_keep_their_controls(screen):
    MeanDelta.setup_anndata(screen, context_key="cell_type")
    model = MeanDelta(screen)
    model.train(train_size=1.0)
    model.calibrate()
    kept = model.left_out_["contexts"]
    assert set(kept["context"]) == {"B", "T"}
    row = [pair == ("A", "T") for pair in zip(kept["perturbation"], kept["context"], strict=True)].index(True)
    other = means(screen[screen.obs["cell_type"] == "B"])
    np.testing.assert_allclose(kept["predicted"][row], other.loc["A"] - other.loc["control"], atol=1e-5)
    np.testing.assert_allclose(kept["of_mean"][row], kept["predicted"][row], atol=1e-5)


def test_parts_are_left_out_together_and_by_the_seed(model):
    model.calibrate("perturbations", folds=2, rng=1)
    first = model.left_out_["perturbations"]
    model.calibrate("perturbations", folds=2, rng=1)
    np.testing.assert_array_equal(first["predicted"], model.left_out_["perturbations"]["predicted"])
    # Both parts have one mean
    single = ~first["is_combination"]
    assert len(np.unique(first["predicted"][single].round(4), axis=0)) == 2


def test_training_forgets_the_calibration(model):
    model.calibrate("perturbations")
    assert model.left_out_
    model.train()
    assert model.left_out_ == {}


def test_networks_are_refitted_with_the_arguments_of_the_training(screen, build, quiet, monkeypatch):
    model = build("SENAVAE", screen, {"n_factors": 2}, train={"train_size": 0.8})
    weights = {name: value.clone() for name, value in model.module.state_dict().items()}
    seen, train = [], scpi.model.SENAVAE.train

    def watched(self, *args, **kwargs):
        train(self, *args, **kwargs)
        n_epochs = len(next(iter(self.history_.values())))
        seen.append((self.init_params_["non_kwargs"]["n_factors"], n_epochs, len(self.validation_indices)))

    monkeypatch.setattr(scpi.model.SENAVAE, "train", watched)
    model.calibrate("combinations", train_kwargs={"max_epochs": 2} | quiet)
    assert [(factors, epochs) for factors, epochs, _ in seen] == [(2, 2), (2, 2)]
    assert all(0 < n < len(model.validation_indices) for *_, n in seen)
    assert all((value == weights[name]).all() for name, value in model.module.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"over": "genes"}, "`over` must be one of 'perturbations', 'combinations', 'contexts'"),
        ({"over": "contexts"}, "if they are registered: call the setup with `context_key`"),
        ({"folds": 1}, "`folds` must be at least 2, but is 1"),
    ],
)
def test_what_is_refused(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.calibrate(**arguments)


def test_there_must_be_two_to_leave_out_and_cells_to_train_on(screen, tmp_path):
    some = screen[screen.obs["perturbation"].isin(["control", "A"])].copy()
    MeanDelta.setup_anndata(some)
    model = MeanDelta(some)
    model.train()
    with pytest.raises(ValueError, match="1 of the perturbations were measured in training: at least two"):
        model.calibrate()
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="training cells are not in the data: calibrate the model before saving it"):
        MeanDelta.load(tmp_path / "model", False).calibrate()


def test_a_closed_form_is_near_the_refits():
    rng = np.random.default_rng(0)
    names = [f"{family}{i}" for family in ("KLF", "IRF", "MAPK") for i in range(1, 9)]
    change = np.repeat(rng.normal(size=(3, 60)), 8, axis=0) + 0.6 * rng.normal(size=(24, 60))
    adata = scpi.screen.with_zero_control(_table(change, names))
    scpi.tl.perturbation_features(adata)
    PerturbationGP.setup_anndata(adata)
    model = PerturbationGP(adata)
    model.train(train_size=1.0)
    model.calibrate()
    closed = model.left_out_["perturbations"]
    model.calibrate(folds=24)
    refitted = model.left_out_["perturbations"]
    order = [refitted["perturbation"].index(label) for label in closed["perturbation"]]
    assert sorted(closed["perturbation"]) == sorted(names)
    np.testing.assert_allclose(closed["measured"], refitted["measured"][order], atol=1e-6)
    np.testing.assert_allclose(closed["of_mean"], refitted["of_mean"][order], atol=1e-5)
    error, other = (np.sqrt(np.square(one["predicted"] - one["measured"]).mean()) for one in (closed, refitted))
    assert abs(error / other - 1) < 0.1
    assert other < 0.9 * np.sqrt(np.square(refitted["of_mean"] - refitted["measured"]).mean())


def _table(change, names):
    return ad.AnnData(change.astype(np.float32), obs=pd.DataFrame({"perturbation": names}, index=names))


def test_a_copy_that_was_set_up_later_is_another_data_set(screen):
    MeanDelta.setup_anndata(screen, context_key="cell_type")
    model = MeanDelta(screen)
    model.train(train_size=1.0)
    model.calibrate("contexts")
    expected = model.left_out_["contexts"]
    few = screen[:80].copy()
    MeanDelta.setup_anndata(few, context_key="cell_type")
    model.calibrate("contexts")
    np.testing.assert_array_equal(model.left_out_["contexts"]["measured"], expected["measured"])
    np.testing.assert_array_equal(model.left_out_["contexts"]["predicted"], expected["predicted"])
    # The setup of the copy is still there
    assert MeanDelta(few).adata is few


def test_another_setup_of_the_cells_changes_nothing(screen):
    MeanDelta.setup_anndata(screen, context_key="cell_type")
    model = MeanDelta(screen)
    model.train(train_size=1.0)
    model.calibrate("contexts")
    expected = model.left_out_["contexts"]
    screen.obs["other"] = np.roll(screen.obs["perturbation"], 7)
    for again in (model.calibrate, model.train):
        # With other codes of the conditions, of which there are more
        MeanDelta.setup_anndata(screen, perturbation_key="other", dose_key="dose")
        again(**({"over": "contexts"} if again == model.calibrate else {"train_size": 1.0}))
    model.calibrate("contexts")
    np.testing.assert_array_equal(model.left_out_["contexts"]["measured"], expected["measured"])
    np.testing.assert_array_equal(model.left_out_["contexts"]["predicted"], expected["predicted"])
    assert model.left_out_["contexts"]["perturbation"] == expected["perturbation"]
