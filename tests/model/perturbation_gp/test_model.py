from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.benchmark import ModelSpec, evaluate, splits
from scpi.model import PerturbationGP

N, N_NEW, N_GENES = 24, 8, 60
NAMES = [f"P{i:02d}" for i in range(N + N_NEW)]


def simulate(n_cells=30, seed=0, informative=1.0):
    """Log-normalised cells whose changes are linear in the features of their perturbation, and the true changes."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(len(NAMES), 4))
    change = (
        0.3
        + informative * features @ rng.normal(size=(4, N_GENES)) * 0.25
        + 0.1 * rng.normal(size=(len(NAMES), N_GENES))
    )
    level = rng.uniform(2.0, 4.0, N_GENES)
    labels = ["control"] * 200 + [name for name in NAMES[:N] for _ in range(n_cells)]
    rows = np.concatenate([np.zeros((200, N_GENES)), np.repeat(change[:N], n_cells, axis=0)])
    x = np.maximum(level + rows + 0.5 * rng.normal(size=rows.shape), 0).astype(np.float32)
    adata = ad.AnnData(x, obs={"perturbation": labels}, var=pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)]))
    adata.obs_names = [f"c{i}" for i in range(len(x))]
    table = pd.DataFrame(features, index=NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        scpi.tl.perturbation_features(
            adata, embeddings={"table": table}, symbols=False, perturbations=[*NAMES, "unknown"]
        )
    return adata, pd.DataFrame(change, index=NAMES)


def fit(adata, **kwargs):
    PerturbationGP.setup_anndata(adata)
    model = PerturbationGP(adata, **kwargs)
    model.train(train_size=1.0)
    return model


def change(model, label, **kwargs):
    predicted = model.predict(perturbation=label, output="mean", **kwargs)
    return np.asarray(predicted.X).mean(0) - predicted.uns["prediction"]["control_mean"]


@pytest.fixture(scope="module")
def screen():
    return simulate()


@pytest.fixture(scope="module")
def model(screen):
    return fit(screen[0])


def test_perturbations_that_were_not_measured_are_predicted(screen, model):
    _, truth = screen
    mean = truth.iloc[:N].to_numpy().mean(0)
    new = truth.iloc[N:].to_numpy()
    found = np.stack([change(model, name) for name in NAMES[N:]])
    error = np.square(found - new).sum() / np.square(mean - new).sum()
    assert error < 0.35
    assert np.mean([np.corrcoef(x - mean, y - mean)[0, 1] for x, y in zip(found, new, strict=True)]) > 0.8
    assert model.calibration > 0.8
    assert model.source_weights.to_dict() == {"table": 1.0}


def test_effects_of_few_cells_are_drawn_to_what_is_expected():
    adata, truth = simulate(n_cells=4, seed=1)
    model, measured = fit(adata), scpi.model.Linear
    measured.setup_anndata(adata)
    plain = measured(adata)
    plain.train(train_size=1.0)
    errors = {
        name: np.mean([np.square(change(one, label) - truth.loc[label]).mean() for label in NAMES[:N]])
        for name, one in {"gp": model, "linear": plain}.items()
    }
    assert errors["gp"] < 0.6 * errors["linear"]


def test_effects_of_a_combination_add_up(model):
    one, two = change(model, NAMES[0]), change(model, NAMES[N])
    np.testing.assert_allclose(change(model, f"{NAMES[N]}+{NAMES[0]}"), one + two, atol=1e-5)
    three = change(model, f"{NAMES[N]}+{NAMES[0]}+{NAMES[N + 1]}")
    np.testing.assert_allclose(three, one + two + change(model, NAMES[N + 1]), atol=1e-5)


def test_the_status_says_on_what_a_prediction_rests(model):
    labels = [
        NAMES[0],
        NAMES[N],
        "unknown",
        f"{NAMES[0]}+{NAMES[1]}",
        f"{NAMES[0]}+{NAMES[N]}",
        f"{NAMES[0]}+unknown",
        "control",
    ]
    predicted = model.predict(perturbation=labels, n_cells=2)
    assert predicted.obs["status"].iloc[::2].tolist() == [
        "trained",
        "unseen",
        "no features",
        "unseen combination",
        "unseen",
        "no features",
        "control",
    ]
    assert predicted.obs["predicted_output"].unique().tolist() == ["log"]
    with pytest.raises(ValueError, match="Unknown perturbation 'P99'"):
        model.predict(perturbation="P99")


def test_what_has_no_features_is_the_mean(model):
    expected = np.mean([change(model, name) for name in NAMES[:N]], axis=0)
    np.testing.assert_allclose(change(model, "unknown"), expected, atol=0.03)


def test_its_interval_is_that_of_means(screen):
    # Calibrated on perturbations with features, it would be that of much better predictions
    model, (_, truth) = fit(screen[0]), screen
    model.calibrate("perturbations")
    asked = [NAMES[N], "unknown"]
    predicted = model.predict(perturbation=asked, n_cells=1, output="mean", interval=0.9)
    width = (predicted.layers["upper"] - predicted.layers["lower"]).mean(axis=1)
    assert width[1] > 1.5 * width[0]
    assert predicted.obs["status"].tolist()[1] == "no features"
    new = truth.iloc[N:].to_numpy()
    inside = (predicted.layers["lower"][1] <= new) & (new <= predicted.layers["upper"][1])
    assert 0.8 < inside.mean() < 0.98
    kinds = [model._kind_of(label, None, None) for label in asked[:2]]
    assert [kind.is_mean for kind in kinds] == [False, True]
    kept = model.left_out_["perturbations"]
    np.testing.assert_array_equal(model._alike(kinds[1]).left_out.predicted, kept["of_mean"])


def test_features_that_carry_nothing_are_flagged():
    adata, truth = simulate(informative=0.0, seed=2)
    rng = np.random.default_rng(3)
    values = adata.uns["perturbation_features"]["sources"]["table"]["values"]
    adata.uns["perturbation_features"]["sources"]["table"]["values"] = rng.permutation(values)
    model = fit(adata)
    mean = change(model, "unknown")
    found = np.stack([change(model, name) for name in NAMES[N:]])
    new = truth.iloc[N:].to_numpy()
    assert np.square(found - new).sum() <= 1.01 * np.square(mean - new).sum()
    if not model.calibration:
        assert set(model.predict(perturbation=NAMES[N], n_cells=2).obs["status"]) == {"no better than the mean"}


def test_a_saved_model_predicts_what_it_has_not_seen(screen, model, tmp_path):
    adata, _ = screen
    model.save(tmp_path / "model")
    fresh = adata[adata.obs["perturbation"] == "control"].copy()
    del fresh.uns["perturbation_features"]
    loaded = PerturbationGP.load(tmp_path / "model", adata=False, accelerator="cpu")
    again = loaded.predict(fresh, perturbation=NAMES[N], output="mean")
    np.testing.assert_array_equal(again.X, model.predict(perturbation=NAMES[N], output="mean").X)
    assert loaded.preset == "scpi"
    assert loaded.source_weights.to_dict() == model.source_weights.to_dict()


def test_new_cells_may_have_perturbations_that_were_not_trained_on(screen, model):
    adata, _ = screen
    new = adata[adata.obs["perturbation"].isin(["control", NAMES[0]])].copy()
    del new.uns["perturbation_features"]
    new.obs["perturbation"] = new.obs["perturbation"].astype(str).replace({NAMES[0]: NAMES[N]})
    table = model.evaluate(new, metrics=["pearson"])
    assert table["status"].to_dict() == {NAMES[N]: "unseen"}


@pytest.mark.parametrize("preset", ["kernel_ridge", "gene_ridge", "nearest", "linear"])
def test_presets(screen, preset):
    adata, truth = screen
    model = fit(adata, preset=preset)
    found = change(model, NAMES[N])
    assert np.isfinite(found).all()
    mean = truth.iloc[:N].to_numpy().mean(0)
    close = np.corrcoef(found - mean, truth.loc[NAMES[N]] - mean)[0, 1] > 0.5
    # Its perturbations are no measured genes
    assert close == (preset != "linear")
    with pytest.raises(ValueError, match=r"`preset` must be one of 'scpi', 'kernel_ridge'.*'ridge'"):
        PerturbationGP(adata, preset="ridge")


def test_it_is_evaluated_beside_the_baselines(screen):
    adata, _ = screen
    labels = adata.obs["perturbation"].to_numpy()
    out = np.isin(labels, NAMES[: N // 4])
    control = np.flatnonzero(labels == "control")
    cells = {"train": np.flatnonzero(~out), "test": np.flatnonzero(out), "start": control, "reference": control}
    models = {
        "gp": PerturbationGP,
        "nearest": ModelSpec(model=PerturbationGP, init={"preset": "nearest"}),
        "mean": scpi.model.MeanDelta,
    }
    table = evaluate(
        adata,
        models,
        splits.Split(name="first", **cells),
        metrics=["pearson_perturbed", "error_ratio"],
        seeds=0,
        ceiling=False,
        progress=False,
    )
    mean = table.groupby("model")[["pearson_perturbed", "error_ratio"]].mean()
    assert mean.loc["gp", "pearson_perturbed"] > 0.7
    assert mean.loc["gp", "error_ratio"] < 0.8 * mean.loc["mean", "error_ratio"]
