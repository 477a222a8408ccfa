from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.design import next_perturbations
from scpi.model import MeanDelta, PerturbationGP

FAMILIES = {"first": 8, "second": 2, "third": 1}
KNOWN = [f"{family}{i}" for family in ("first", "second") for i in range(4)]
NEW = [f"new_{family}{i}" for family, n in FAMILIES.items() for i in range(n)]


@pytest.fixture(scope="module")
def model():
    """Two families of known perturbations, and new ones of three; the third has no known member."""
    rng = np.random.default_rng(0)
    change = np.repeat(rng.normal(size=(2, 40)), 4, axis=0) + 0.2 * rng.normal(size=(8, 40))
    labels = np.repeat(["control", *KNOWN], [60] + [12] * 8)
    x = np.maximum(4 + np.repeat(np.vstack([np.zeros(40), change]), [60] + [12] * 8, axis=0), 0)
    x += 0.3 * np.abs(rng.normal(size=x.shape))
    adata = ad.AnnData(x.astype(np.float32), obs=pd.DataFrame({"perturbation": labels}))
    adata.obs_names = [f"c{i}" for i in range(len(x))]
    names = [*KNOWN, *NEW]
    sets = {family: [name for name in names if family in name] for family in FAMILIES}
    sets["others"] = ["first0", "new_first0"]
    scpi.tl.perturbation_features(
        adata, gene_sets=sets, perturbations=[*NEW, "nothing"], symbols=False, min_size=1, max_size=None
    )
    PerturbationGP.setup_anndata(adata)
    model = PerturbationGP(adata)
    model.train(train_size=1.0)
    return model


def test_all_that_was_not_measured_and_has_features_is_a_candidate(model):
    assert model.unmeasured_perturbations == sorted(NEW)


def test_a_family_without_a_known_member_is_the_least_certain(model):
    for criterion in ("uncertainty", "information", "diversity"):
        table = next_perturbations(model, n_perturbations=1, criterion=criterion)
        assert table["perturbation"].tolist() == ["new_third0"]
        assert "similar to none" in table.loc[1, "reason"]


def test_what_lowers_the_variance_of_many_is_chosen_for_them(model):
    targets = [name for name in NEW if "first" in name]
    table = next_perturbations(model, [name for name in NEW if name != "new_first0"], 3, targets=targets)
    assert table["perturbation"].str.startswith("new_first").all()
    assert table["score"].is_monotonic_decreasing
    assert table["nearest"].str.startswith("first").all()
    assert f"{table['score'].iloc[0]:.2%} of the predictive variance of 8 perturbations" in table.loc[1, "reason"]


def test_the_score_is_the_variance_that_is_removed(model):
    posterior = model.effect_posterior(NEW)
    covariance = posterior.covariance(np.arange(len(NEW))) + np.eye(len(NEW))
    table = next_perturbations(model, NEW, 3)
    picked = [NEW.index(name) for name in table["perturbation"]]
    noisy = covariance[np.ix_(picked, picked)] + posterior.noise * np.eye(3)
    removed = np.trace(covariance[:, picked] @ np.linalg.solve(noisy, covariance[picked]))
    np.testing.assert_allclose(table["score"].sum(), removed / np.trace(covariance))


def test_variances_are_the_diagonal_of_the_covariance(model):
    posterior = model.effect_posterior(NEW)
    assert (posterior.variance > 0).all()
    np.testing.assert_allclose(np.diag(posterior.covariance(np.arange(len(NEW)))), posterior.variance, atol=1e-9)


def test_the_effect_is_that_of_the_prediction(model):
    table = next_perturbations(model, NEW, 2, criterion="effect").set_index("perturbation")
    for name in table.index:
        predicted = model.predict(perturbation=name, output="mean")
        change = np.asarray(predicted.X).mean(axis=0) - predicted.uns["prediction"]["control_mean"]
        np.testing.assert_allclose(table.loc[name, "effect"], np.sqrt(np.square(change).mean()), rtol=1e-4)


def test_random_choices_have_a_seed(model):
    one, same, other = (
        next_perturbations(model, n_perturbations=4, criterion="random", rng=seed)["perturbation"].tolist()
        for seed in (0, 0, 1)
    )
    assert one == same != other
    assert len(set(one)) == 4


def test_a_saved_model_chooses_the_same(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = PerturbationGP.load(tmp_path / "model", adata=model.adata)
    pd.testing.assert_frame_equal(
        next_perturbations(loaded, n_perturbations=3), next_perturbations(model, n_perturbations=3)
    )


def test_what_is_wrong_is_named(model):
    with pytest.raises(ValueError, match="`criterion` must be one of 'reduction'"):
        next_perturbations(model, criterion="best")
    with pytest.raises(ValueError, match="`n_perturbations` must be from 1 to the number of candidates, 2, but is 3"):
        next_perturbations(model, NEW[:2], 3)
    with pytest.raises(ValueError, match="does not know 'GATA1'"):
        next_perturbations(model, ["GATA1"], 1)
    with pytest.raises(ValueError, match="was trained on 'first0'"):
        next_perturbations(model, ["first0"], 1)
    with pytest.raises(TypeError, match="is a MeanDelta, which has no posterior"):
        MeanDelta.setup_anndata(model.adata, perturbation_key="perturbation", control="control")
        next_perturbations(MeanDelta(model.adata), n_perturbations=1)


def test_a_preset_without_variances_says_so(model):
    other = PerturbationGP(model.adata, preset="nearest")
    other.train(train_size=1.0)
    with pytest.raises(ValueError, match="'nearest' predicts without a variance"):
        next_perturbations(other, n_perturbations=1)


def test_features_that_predict_nothing_are_a_warning(model):
    shuffled = PerturbationGP(model.adata, shuffled=3)
    shuffled.train(train_size=1.0)
    shuffled.module.put({"calibration": np.zeros(1)})
    with pytest.warns(UserWarning, match="no better than a random one"):
        next_perturbations(shuffled, n_perturbations=1)
