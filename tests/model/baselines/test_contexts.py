"""Baselines that predict a context from others, against plain NumPy."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import scpi
from scpi.model.base.effects._regression import best_setting, ridge_weights
from scpi.model.baselines._contexts import kernel_weights

CONTEXTS = ("B", "Mono", "NK", "T")
N_GENES = 12


def make(*, n_cells: int = 5, doses: bool = False, rng: int = 0) -> ad.AnnData:
    """Log-normalised expression of four contexts, of which T has no perturbed cells."""
    generator = np.random.default_rng(rng)
    rows, blocks = [], []
    for context in CONTEXTS:
        level = generator.uniform(0.5, 2.5, N_GENES)
        for label in ("control", "P", "Q", "P+Q"):
            if context == "T" and label != "control":
                continue
            for dose in (1.0, 3.0) if doses and label != "control" else (1.0,):
                blocks.append(np.maximum(level + generator.normal(0, 0.5, (n_cells, N_GENES)), 0.0))
                rows += [(label, context, 0.0 if label == "control" else dose)] * n_cells
    obs = pd.DataFrame(rows, columns=["perturbation", "cell_type", "dose"], index=[f"c{i}" for i in range(len(rows))])
    x = sparse.csr_matrix(np.concatenate(blocks).astype(np.float32))
    return ad.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)]))


def mean(adata, context, label, dose=None):
    keep = (adata.obs["cell_type"] == context) & (adata.obs["perturbation"] == label)
    if dose is not None:
        keep &= adata.obs["dose"] == dose
    return adata.X.toarray()[keep.to_numpy()].mean(0).astype(float)


def changes(adata, label, dose=None):
    return np.stack([mean(adata, c, label, dose) - mean(adata, c, "control") for c in CONTEXTS[:3]])


def trained(name, adata, *, dose_key=None, **kwargs):
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata, context_key="cell_type", dose_key=dose_key)
    model = cls(adata, **kwargs)
    model.train(train_size=1.0)
    return model


def change(model, adata, label, **kwargs):
    predicted = model.predict(adata, perturbation=label, context="T", **kwargs, output="mean")
    start = adata.to_df().loc[predicted.obs["source_cell"]].to_numpy()
    moved = predicted.X - start
    np.testing.assert_allclose(moved, np.tile(moved[0], (len(moved), 1)), atol=1e-5)
    return moved[0]


@pytest.fixture(scope="module")
def adata():
    return make()


def test_the_mean_change_of_the_contexts(adata):
    np.testing.assert_allclose(change(trained("MeanDelta", adata), adata, "P"), changes(adata, "P").mean(0), atol=1e-5)


@pytest.mark.parametrize("name", ["MeanDelta", "WeightedDelta", "RidgeDelta", "NearestDelta", "LogRatioDelta"])
def test_a_combination_that_no_context_has_is_the_sum_of_its_members(adata, name):
    without = adata[adata.obs["perturbation"] != "P+Q"].copy()
    model = trained(name, without)
    expected = change(model, without, "P") + change(model, without, "Q")
    np.testing.assert_allclose(change(model, without, "P+Q"), expected, atol=1e-5)


def test_a_label_with_a_member_that_no_context_has_alone_gets_the_mean_of_all(adata):
    model = trained("MeanDelta", adata)
    model.train(train_size=1.0, held_out=["Q", "P+Q"])
    np.testing.assert_allclose(change(model, adata, "P+Q"), changes(adata, "P").mean(0), atol=1e-5)


def test_the_nearest_context(adata):
    target = mean(adata, "T", "control")
    distances = [np.linalg.norm(mean(adata, c, "control") - target) for c in CONTEXTS[:3]]
    expected = changes(adata, "Q")[np.argmin(distances)]
    np.testing.assert_allclose(change(trained("NearestDelta", adata), adata, "Q"), expected, atol=1e-5)


def controls(adata):
    return np.stack([mean(adata, c, "control") for c in CONTEXTS[:3]]), mean(adata, "T", "control")


def left_out_errors(weigh, points, values, grid):
    errors = []
    for setting in grid:
        total = 0.0
        for j in range(3):
            others = [i for i in range(3) if i != j]
            total += np.sum((weigh(points[others], points[j], setting) @ values[others] - values[j]) ** 2)
        errors.append(total)
    return errors


def test_weights_fall_with_the_distance(adata):
    points, target = controls(adata)
    values = changes(adata, "P")
    pairs = [np.sum((points[i] - points[j]) ** 2) for i in range(3) for j in range(i)]
    grid = np.median(pairs) * np.logspace(1, -1.5, 11)

    def weigh(known, new, bandwidth):
        raw = np.exp(-np.sum((known - new) ** 2, axis=1) / bandwidth)
        return raw / raw.sum()

    best = grid[np.argmin(left_out_errors(weigh, points, values, grid))]
    expected = weigh(points, target, best) @ values
    np.testing.assert_allclose(change(trained("WeightedDelta", adata), adata, "P"), expected, atol=1e-5)


def test_a_ridge_regression_on_the_controls(adata):
    points, target = controls(adata)
    values = changes(adata, "P")

    def predict(known, y, new, penalty):
        x = known - known.mean(0)
        ridge = penalty * np.trace(x @ x.T) / len(x) * np.eye(x.shape[1])
        return y.mean(0) + (new - known.mean(0)) @ np.linalg.solve(x.T @ x + ridge, x.T @ (y - y.mean(0)))

    grid = np.logspace(3, -3, 13)
    errors = []
    for penalty in grid:
        others = [np.delete(np.arange(3), j) for j in range(3)]
        errors.append(
            sum(
                np.sum((predict(points[o], values[o], points[j], penalty) - values[j]) ** 2)
                for j, o in enumerate(others)
            )
        )
    expected = predict(points, values, target, grid[np.argmin(errors)])
    np.testing.assert_allclose(change(trained("RidgeDelta", adata), adata, "P"), expected, atol=1e-5)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 6), setting=st.floats(1e-3, 1e3))
def test_weights_sum_to_one(seed, n, setting):
    generator = np.random.default_rng(seed)
    points, target = generator.normal(size=(n, 4)), generator.normal(size=4)
    for weigh in (kernel_weights, ridge_weights):
        assert weigh(points, target, setting).sum() == pytest.approx(1.0)
    assert (kernel_weights(points, target, setting) >= 0).all()


def test_contexts_all_alike_have_equal_weights():
    points = np.ones((4, 3))
    for weigh in (kernel_weights, ridge_weights):
        np.testing.assert_allclose(weigh(points, points[0], 0.0), 0.25)


def test_the_first_of_equal_settings_is_chosen():
    points, values = np.zeros((3, 2)), np.eye(3)
    assert best_setting((5.0, 1.0), kernel_weights, points, values) == 5.0


def test_fold_changes_multiply(adata):
    def log(expression):
        return np.log(np.expm1(expression) + 0.1)

    ratio = np.mean([log(mean(adata, c, "P")) - log(mean(adata, c, "control")) for c in CONTEXTS[:3]], axis=0)
    target = mean(adata, "T", "control")
    expected = np.log1p(np.maximum(np.exp(log(target) + ratio) - 0.1, 0)) - target
    np.testing.assert_allclose(change(trained("LogRatioDelta", adata), adata, "P"), expected, atol=1e-4)


def test_a_gene_that_is_off_stays_nearly_off():
    """Where the difference would raise it by as much as in contexts that express it."""
    adata = make(n_cells=20)
    x = adata.X.toarray()
    x[(adata.obs["cell_type"] == "T").to_numpy(), 0] = 0.0
    x[((adata.obs["perturbation"] == "P") & (adata.obs["cell_type"] != "T")).to_numpy(), 0] *= 2.0
    adata.X = sparse.csr_matrix(x)
    of_ratio, of_mean = (change(trained(name, adata), adata, "P")[0] for name in ("LogRatioDelta", "MeanDelta"))
    assert of_mean > 1.0 and 0.0 < of_ratio < 0.6 * of_mean


def test_a_shift_along_components_is_the_projected_mean_change(adata):
    model = trained("PCAShift", adata, n_components=3)
    x = adata.X.toarray().astype(float)
    _, _, directions = np.linalg.svd(x - x.mean(0), full_matrices=False)
    expected = changes(adata, "P").mean(0) @ directions[:3].T @ directions[:3]
    np.testing.assert_allclose(change(model, adata, "P"), expected, atol=1e-4)
    with pytest.raises(ValueError, match="`n_components` must be at least 1, got 0"):
        scpi.model.PCAShift(adata, n_components=0)


@pytest.fixture(scope="module")
def dosed():
    return make(doses=True)


class TestDoses:
    def test_between_measured_doses_the_change_is_linear_in_the_logarithm(self, dosed):
        model = trained("MeanDelta", dosed, dose_key="dose")
        low, high = (changes(dosed, "P", dose).mean(0) for dose in (1.0, 3.0))
        np.testing.assert_allclose(change(model, dosed, "P", dose=3.0), high, atol=1e-5)
        share = (np.log1p(2.0) - np.log1p(1.0)) / (np.log1p(3.0) - np.log1p(1.0))
        np.testing.assert_allclose(change(model, dosed, "P", dose=2.0), (1 - share) * low + share * high, atol=1e-5)
        np.testing.assert_allclose(change(model, dosed, "P", dose=0.4), np.log1p(0.4) / np.log(2) * low, atol=1e-5)
        np.testing.assert_allclose(change(model, dosed, "P", dose=99.0), high, atol=1e-5)

    @pytest.mark.parametrize(
        "name", ["Additive", "MeanDelta", "WeightedDelta", "NearestDelta", "RidgeDelta", "LogRatioDelta"]
    )
    def test_without_a_context_all_cells_are_of_one(self, dosed, name):
        one = dosed[dosed.obs["cell_type"] == "NK"].copy()
        cls = getattr(scpi.model, name)
        cls.setup_anndata(one, dose_key="dose")
        model = cls(one)
        model.train(train_size=1.0)
        start = mean(one, "NK", "control")
        low, high = (mean(one, "NK", "P", dose) - start for dose in (1.0, 3.0))
        fraction = (np.log1p(2.0) - np.log1p(1.0)) / (np.log1p(3.0) - np.log1p(1.0))
        expected = {1.0: low, 3.0: high, 99.0: high, 2.0: (1 - fraction) * low + fraction * high}
        for dose, wanted in expected.items():
            predicted = model.predict(perturbation="P", dose=dose, output="mean").X.mean(0) - start
            np.testing.assert_allclose(predicted, wanted, atol=1e-5)

    def test_the_mean_cell_of_a_dose(self, dosed):
        one = dosed[dosed.obs["cell_type"] == "NK"].copy()
        scpi.model.TrainMean.setup_anndata(one, dose_key="dose")
        model = scpi.model.TrainMean(one)
        model.train(train_size=1.0)
        for dose in (1.0, 3.0):
            predicted = model.predict(perturbation="P", dose=dose, output="mean").X
            np.testing.assert_allclose(predicted, np.tile(mean(one, "NK", "P", dose), (len(predicted), 1)), atol=1e-5)

    def test_a_line_in_the_logarithm_of_the_dose(self, dosed):
        model = trained("LinearDose", dosed, dose_key="dose")
        logs = np.log1p([1.0, 3.0])
        both = np.stack([changes(dosed, "P", dose) for dose in (1.0, 3.0)])
        slope = np.einsum("d,dcg->cg", logs, both) / np.sum(logs**2)
        np.testing.assert_allclose(change(model, dosed, "P", dose=2.0), np.log1p(2.0) * slope.mean(0), atol=1e-5)


def test_the_mean_cell_of_the_contexts(adata):
    predicted = trained("TrainMean", adata).predict(perturbation="Q", context="T", output="mean").X
    expected = np.mean([mean(adata, c, "Q") for c in CONTEXTS[:3]], axis=0)
    np.testing.assert_allclose(predicted, np.tile(expected, (len(predicted), 1)), atol=1e-5)


def test_a_context_that_was_not_trained_on_is_compared_by_its_own_controls(adata):
    known = adata[adata.obs["cell_type"] != "T"].copy()
    new = adata[adata.obs["cell_type"] == "T"].copy()
    for name in ("NearestDelta", "WeightedDelta", "RidgeDelta", "LogRatioDelta"):
        expected = change(trained(name, adata), adata, "P")
        np.testing.assert_allclose(change(trained(name, known), new, "P"), expected, atol=1e-4)


def test_cells_of_several_contexts_each_get_their_own_change(adata):
    model = trained("NearestDelta", adata)
    everything = model.predict(perturbation="P", output="mean")
    for context in ("B", "Mono"):
        alone = model.predict(perturbation="P", context=context, output="mean")
        both = everything[everything.obs["source_cell"].isin(alone.obs["source_cell"])]
        np.testing.assert_allclose(both.X, alone.X, atol=1e-6)


def test_fewer_than_three_contexts_count_alike(adata):
    two = adata[adata.obs["cell_type"].isin(["B", "NK", "T"])].copy()
    expected = (changes(adata, "P")[0] + changes(adata, "P")[2]) / 2
    for name in ("WeightedDelta", "RidgeDelta"):
        np.testing.assert_allclose(change(trained(name, two), two, "P"), expected, atol=1e-5)


def test_a_context_without_controls_is_compared_with_those_of_the_others(adata):
    keep = (adata.obs["cell_type"] != "B") | (adata.obs["perturbation"] != "control")
    few = adata[keep.to_numpy()].copy()
    control = np.mean([mean(adata, c, "control") for c in ("Mono", "NK", "T")], axis=0)
    expected = (mean(adata, "B", "P") - control + changes(adata, "P")[1] + changes(adata, "P")[2]) / 3
    np.testing.assert_allclose(change(trained("MeanDelta", few), few, "P"), expected, atol=1e-5)
