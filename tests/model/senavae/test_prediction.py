"""Predictions from least-squares effects and what the network decodes beyond their sum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

import scpi
from scpi.model.base.effects._fold_changes import from_log_level, log_level


@pytest.fixture(scope="module")
def logs(make_screen):
    adata = make_screen()
    total = np.asarray(adata.X.sum(1)).ravel()
    adata.layers["counts"] = adata.X.copy()
    adata.X = sparse.csr_matrix(adata.X.multiply((np.median(total) / total)[:, None]).log1p(), dtype=np.float32)
    return adata


@pytest.fixture(scope="module")
def fitted(logs, build):
    def fit(**options):
        options = {"shrink": False} | options
        layer = "counts" if options.get("likelihood") == "nb" else None
        return build(
            "SENAVAE", logs.copy(), options, setup={"layer": layer}, train={"train_size": 1.0, "max_epochs": 3}
        )

    return fit


def effects(adata, *, ratios=True, x=None):
    """By the normal equations of numpy, conditions weighted by their cells."""
    # One combination in both orders is one condition
    labels = adata.obs["perturbation"].astype(str).map(lambda label: "+".join(sorted(label.split("+"))))
    conditions = sorted(set(labels) - {"control"})
    names = sorted({name for label in conditions for name in label.split("+")})
    design = np.array([[float(name in label.split("+")) for name in names] for label in conditions])
    x = adata.X if x is None else x
    control, *change = (
        np.asarray(x[(labels == label).to_numpy()].mean(0), dtype=float).ravel() for label in ("control", *conditions)
    )
    change = [log_level(c) - log_level(control) if ratios else c - control for c in change]
    root = np.sqrt([(labels == label).sum() for label in conditions])[:, None]
    found = np.linalg.lstsq(design * root, np.stack(change) * root, rcond=None)[0]
    return dict(zip(names, found, strict=True)), control


def change(model, label, **kwargs):
    predicted = model.predict(perturbation=label, output="mean", rng=0, **kwargs)
    return predicted.X - model.adata[predicted.obs["source_cell"].tolist()].X.toarray()


def test_a_single_perturbation_has_its_least_squares_effect_on_the_level(fitted):
    model = fitted()
    found, control = effects(model.adata)
    level = log_level(control)
    moved = change(model, "A")
    np.testing.assert_allclose(moved, np.tile(moved[:1], (len(moved), 1)), atol=1e-5)
    np.testing.assert_allclose(moved[0], from_log_level(level + found["A"]) - from_log_level(level), atol=1e-4)


def test_effects_are_shrunk_by_their_noise(fitted):
    """The error of an effect of a single perturbation, by the delta method from the cells."""
    plain, shrunk = (fitted(shrink=value) for value in (False, True))
    raw, found = (model.module.kept.array("effects") for model in (plain, shrunk))
    assert (np.abs(found) <= np.abs(raw) + 1e-6).all()
    assert np.linalg.norm(found) < 0.9 * np.linalg.norm(raw)
    # What hardly any noise is left of moves most
    assert np.corrcoef(raw.ravel(), found.ravel())[0, 1] > 0.4


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_a_combination_has_a_part_of_what_is_decoded_beyond_the_sum(fitted, weight):
    model = fitted(interaction=weight)
    found, control = effects(model.adata)
    level = log_level(control)
    additive = from_log_level(level + found["A"] + found["C"]) - from_log_level(level)
    with torch.no_grad():
        x = torch.from_numpy(model.adata.X.toarray()[(model.adata.obs["perturbation"] == "control").to_numpy()])
        decoded = {
            label: model.attribution_target("change", perturbation=label).function(x).double().mean(0).numpy()
            for label in ("A", "C", "A+C")
        }
    beyond = decoded["A+C"] - decoded["A"] - decoded["C"]
    assert np.abs(beyond).max() > 1e-4
    # One draw of the noise of each cell, of whose mean the target is
    np.testing.assert_allclose(change(model, "A+C").mean(0), additive + weight * beyond, atol=5e-3)


def test_without_an_additive_start_the_change_is_decoded(fitted):
    model = fitted(least_squares=False)
    x = torch.from_numpy(model.adata.X.toarray()[(model.adata.obs["perturbation"] == "control").to_numpy()])
    with torch.no_grad():
        decoded = model.attribution_target("change", perturbation="A").function(x).mean(0)
    np.testing.assert_allclose(change(model, "A").mean(0), decoded, atol=5e-3)
    assert model.module.kept.effects.numel() == 0


def test_data_without_levels_have_effects_that_are_differences(make_screen, build):
    adata = make_screen()
    adata.X = np.random.default_rng(0).normal(size=adata.shape).astype(np.float32)
    with pytest.warns(UserWarning, match="negative values"):
        model = build("SENAVAE", adata, {"encoder": "mlp", "shrink": False}, train={"train_size": 1.0})
    found, _ = effects(adata, ratios=False)
    predicted = model.predict(perturbation="B", output="mean", rng=0)
    start = adata[predicted.obs["source_cell"].tolist()].X
    np.testing.assert_allclose((predicted.X - start).mean(0), found["B"], atol=1e-4)


def test_controls_of_a_context_are_the_level_of_its_effects(logs, build):
    model = build("SENAVAE", logs.copy(), setup={"context_key": "cell_type"}, train={"train_size": 1.0})
    adata = model.adata
    for context in ("B", "T"):
        own = adata[((adata.obs["cell_type"] == context) & (adata.obs["perturbation"] == "control")).to_numpy()]
        level = log_level(np.asarray(own.X.mean(0), dtype=float).ravel())
        effect = model.module.kept.array("effects")[model.perturbations_.index("A")]
        moved = change(model, "A", context=context)
        np.testing.assert_allclose(moved.mean(0), from_log_level(level + effect) - from_log_level(level), atol=1e-4)


def test_decoded_cells_have_no_effects_to_add_to(logs):
    scpi.model.SENAVAE.setup_anndata(logs)
    with pytest.raises(ValueError, match="`least_squares=True` needs `abduct=True`"):
        scpi.model.SENAVAE(logs, abduct=False, least_squares=True)


def test_counts_change_by_the_ratio_of_the_effect(fitted):
    """Falling counts are thinned by it; a combination adds what is decoded beyond the sum to its logarithm."""
    model = fitted(likelihood="nb", interaction=0.0)
    adata = model.adata
    counts = adata.layers["counts"].toarray()
    depth = counts.sum(1, keepdims=True)
    controls = (adata.obs["perturbation"] == "control").to_numpy()
    # The median of all controls: no more than the sample that the model scales by
    logs = np.log1p(counts / depth * np.float32(np.median(depth[controls])))
    found, control = effects(adata, x=logs)
    after = np.expm1(from_log_level(log_level(control) + found["A"]))
    ratio = np.maximum(after, 1e-3) / np.maximum(np.expm1(control), 1e-3)
    falls = ratio < 0.99
    assert falls.sum() > 3
    predicted = model.predict(perturbation="A", output="mean", rng=0)
    start = adata[predicted.obs["source_cell"].tolist()].layers["counts"].toarray()
    np.testing.assert_allclose(predicted.X[:, falls], start[:, falls] * ratio[falls], rtol=2e-3, atol=1e-6)


def test_a_model_of_counts_saved_without_effects_predicts_what_it_decodes(fitted):
    model = fitted(likelihood="nb")
    whole = model.predict(perturbation="A", output="mean", rng=0).X
    model.module.kept.put({"effects": np.zeros((0,)), "control": np.zeros((0,))})
    decoded = model.predict(perturbation="A", output="mean", rng=0).X
    assert np.isfinite(decoded).all()
    assert np.abs(decoded - whole).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "adds"),
    [({"mechanism": "relu"}, False), ({"mechanism": "none"}, True), ({"abduct": False}, False)]
    + [({"mechanism": "relu", "least_squares": True}, True), ({"least_squares": False}, False)],
)
def test_what_differs_from_cell_to_cell_is_decoded(fitted, options, adds):
    assert fitted(**options)._adds_effects == adds
