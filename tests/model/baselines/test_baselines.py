"""Means and effects of the baselines, against plain NumPy on the training cells."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def fitted(make_screen, build):
    """A model of each kind by name, with the expression, labels and doses of its training cells."""

    def fit(name, **setup):
        adata = make_screen()
        model = build(name, adata, setup=setup, train={"held_out": ["C+D"]})
        cells = model.train_indices
        labels = adata.obs["perturbation"].replace({"B+A": "A+B"}).to_numpy()[cells]
        return model, adata.X.toarray()[cells].astype(float), labels, adata.obs["dose"].to_numpy()[cells]

    return fit


def change(model, label, *, dose=None):
    predicted = model.predict(perturbation=label, dose=dose, output="mean")
    start = model.adata.to_df().loc[predicted.obs["source_cell"]].to_numpy()
    moved = predicted.X - start
    np.testing.assert_allclose(moved, np.tile(moved[0], (len(moved), 1)), atol=1e-5)
    return moved[0]


def mean_change(x, labels, label):
    return x[labels == label].mean(0) - x[labels == "control"].mean(0)


def test_additive_adds_the_changes_of_the_singles(fitted):
    model, x, labels, _ = fitted("Additive")
    single = {name: mean_change(x, labels, name) for name in "ABCD"}
    np.testing.assert_allclose(change(model, "A"), single["A"], atol=1e-5)
    # The combination was seen, and is not used.
    np.testing.assert_allclose(change(model, "A+B"), single["A"] + single["B"], atol=1e-5)
    np.testing.assert_allclose(change(model, "D+C+A"), single["A"] + single["C"] + single["D"], atol=1e-5)
    np.testing.assert_allclose(change(model, "control"), 0, atol=1e-6)


def test_additive_is_linear_in_the_logarithm_between_doses(fitted):
    model, x, labels, doses = fitted("Additive", dose_key="dose")
    half, full = (x[(labels == "A") & (doses == dose)].mean(0) - x[labels == "control"].mean(0) for dose in (0.5, 1.0))
    np.testing.assert_allclose(change(model, "A"), full, atol=1e-5)
    np.testing.assert_allclose(change(model, "A", dose=0.5), half, atol=1e-5)
    np.testing.assert_allclose(change(model, "A", dose=0.25), np.log(1.25) / np.log(1.5) * half, atol=1e-5)
    between = (np.log(1.7) - np.log(1.5)) / (np.log(2) - np.log(1.5))
    np.testing.assert_allclose(change(model, "A", dose=0.7), between * full + (1 - between) * half, atol=1e-5)


def test_mean_delta_is_the_mean_over_conditions(fitted):
    model, x, labels, _ = fitted("MeanDelta")
    conditions = ["A", "A+B", "B", "C", "D"]
    expected = np.mean([mean_change(x, labels, name) for name in conditions], axis=0)
    for label in ("A", "C+D", "A+B+C"):
        np.testing.assert_allclose(change(model, label), expected, atol=1e-5)


def test_no_change_predicts_the_cells(fitted):
    model, *_ = fitted("NoChange")
    np.testing.assert_array_equal(change(model, "A+D"), 0)


def test_train_mean_is_one_cell(fitted):
    model, x, labels, _ = fitted("TrainMean")
    expected = np.mean([x[labels == name].mean(0) for name in ("A", "A+B", "B", "C", "D")], axis=0)
    predicted = model.predict(perturbation=["A", "C+D"], output="mean").X
    np.testing.assert_allclose(predicted, np.tile(expected, (len(predicted), 1)), atol=1e-5)


@pytest.mark.parametrize("setup", [{}, {"dose_key": "dose"}])
def test_linear_is_the_least_squares_solution_over_perturbed_cells(fitted, setup):
    model, x, labels, doses = fitted("Linear", **setup)
    perturbed = labels != "control"
    design = np.array([[name in label.split("+") for name in "ABCD"] for label in labels[perturbed]], dtype=float)
    if setup:
        design *= doses[perturbed][:, None]
    effects = np.linalg.lstsq(design, x[perturbed] - x[~perturbed].mean(0), rcond=None)[0]
    np.testing.assert_allclose(change(model, "A"), effects[0], atol=1e-4)
    np.testing.assert_allclose(change(model, "D+C"), effects[2] + effects[3], atol=1e-4)


def test_a_second_training_forgets_the_first(make_screen, build):
    """What is held out later must not be remembered from before."""
    adata = make_screen()
    model = build("Additive", adata)
    model.predict(perturbation="A+D", output="mean")
    model.train(held_out=["D"])
    with pytest.raises(ValueError, match=r"No training cell has 'D' alone"):
        model.predict(perturbation="A+D", output="mean")


def test_fold_changes_that_are_fitted_to_all_conditions_multiply(make_screen, build):
    adata = make_screen()
    adata.X = adata.X.log1p()
    model = build("LogRatioLinear", adata, train={"train_size": 1.0, "held_out": ["C+D"]})
    labels = adata.obs["perturbation"].replace({"B+A": "A+B"}).to_numpy()
    conditions = ["A", "B", "C", "D", "A+B"]
    design = np.array([[float(name in label) for name in "ABCD"] for label in conditions])
    level = {
        label: np.log(np.expm1(adata.X[labels == label].toarray().astype(float).mean(0)) + 0.1)
        for label in ["control", *conditions]
    }
    root = np.sqrt([(labels == label).sum() for label in conditions])[:, None]
    ratios = np.stack([level[label] - level["control"] for label in conditions])
    effects = np.linalg.lstsq(design * root, ratios * root, rcond=None)[0]
    for label, row in (("A", [1, 0, 0, 0]), ("C+D", [0, 0, 1, 1])):
        after = np.log1p(np.exp(level["control"] + np.array(row) @ effects) - 0.1)
        expected = after - np.log1p(np.exp(level["control"]) - 0.1)
        np.testing.assert_allclose(change(model, label), expected, atol=1e-5)
