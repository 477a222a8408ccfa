from __future__ import annotations

import numpy as np
import pytest

from scpi.metrics import energy_distance, mmd

# Means are what is predicted on this scale, so that scores can be computed by hand
pytestmark = pytest.mark.filterwarnings("ignore:.*holds negative values")


def scaled(adata):
    adata.X = adata.X - 0.5 if isinstance(adata.X, np.ndarray) else adata.X.toarray() - 0.5
    return adata


@pytest.fixture(scope="module")
def adata(make_screen):
    return scaled(make_screen())


@pytest.fixture(scope="module")
def model(adata, build):
    return build("Additive", adata, train={"held_out": ["C+D"]})


def test_scores_are_those_of_the_two_halves_of_the_controls(model, adata):
    everything = np.arange(adata.n_obs)
    table = model.evaluate(indices=everything, perturbation="A", n_components=None, rng=3)
    x, labels = adata.X, adata.obs["perturbation"].to_numpy()
    controls = np.random.default_rng(3).permutation(np.flatnonzero(labels == "control"))
    start, reference = controls[:24], controls[24:]
    real = x[labels == "A"]
    training = [np.intersect1d(model.train_indices, np.flatnonzero(labels == label)) for label in ("A", "control")]
    change = x[training[0]].mean(0) - x[training[1]].mean(0)
    measured = real.mean(0) - x[reference].mean(0)
    assert table.loc["A", "pearson"] == pytest.approx(np.corrcoef(change, measured)[0, 1], abs=1e-5)
    assert table.loc["A", "rmse"] == pytest.approx(np.sqrt(np.mean((change - measured) ** 2)), abs=1e-5)
    predicted = x[start] + change
    base = 2 * x[reference].astype(np.float64).var(axis=0, ddof=1).sum()
    assert table.loc["A", "mmd"] == pytest.approx(mmd(predicted, real, base_bandwidth=base), abs=1e-4)
    assert table.loc["A", "energy_distance"] == pytest.approx(energy_distance(predicted, real), abs=1e-4)


def test_the_test_set_is_taken_with_unseen_controls_where_there_are_enough(make_screen, build):
    adata = make_screen()
    model = build("Additive", adata, train={"held_out": ["C+D"], "train_size": 0.6, "validation_size": 0.2})
    cells = model._cells_to_compare(adata, None, own=True)
    assert not set(cells) & set(model.train_indices)
    assert (adata.obs["perturbation"].iloc[cells] == "control").sum() >= 4


def test_measured_doses_are_predicted(make_screen, build):
    adata = make_screen()
    # The effect is planted to be proportional to the dose, and large.
    x = np.zeros(adata.shape, dtype=np.float32)
    dose = adata.obs["dose"].to_numpy()
    for index, name in enumerate("ABCD"):
        x[adata.obs["perturbation"].str.contains(name), index] = 10
    adata.X = x * dose[:, None].astype(np.float32)
    model = build("Additive", adata, setup={"dose_key": "dose"})
    predicted = model.predict(perturbation="A+B", dose=0.5, n_cells=3, output="mean")
    np.testing.assert_allclose(predicted.X[:, :4], [[5, 5, 0, 0]] * 3, atol=1e-5)
    table = model.evaluate()
    # Every condition is predicted at its own doses; rounding of their shares to cells is all that is missed.
    assert table["rmse"].max() < 0.1
    assert table["r2"].min() > 0.99


def test_a_perturbation_needs_two_cells(model, adata):
    controls = np.flatnonzero(adata.obs["perturbation"] == "control")
    first = np.flatnonzero(adata.obs["perturbation"] == "A")[:1]
    with pytest.raises(ValueError, match=r"two measured cells or more, which \['A'\]"):
        model.evaluate(indices=np.concatenate([controls, first]), perturbation="A")
    with pytest.raises(ValueError, match="nothing to compare"):
        model.evaluate(indices=np.concatenate([controls, first]))


def test_an_evaluation_needs_four_controls(model, adata):
    labels = adata.obs["perturbation"].to_numpy()
    cells = np.concatenate([np.flatnonzero(labels == "control")[:3], np.flatnonzero(labels == "A")])
    with pytest.raises(ValueError, match="at least four control cells, got 3"):
        model.evaluate(indices=cells)


def test_cells_are_drawn_for_the_distances(model, adata):
    everything = np.arange(adata.n_obs)
    few, all_cells = (model.evaluate(indices=everything, perturbation="A", n_cells=n).loc["A"] for n in (8, 1000))
    assert few["pearson"] == pytest.approx(all_cells["pearson"], rel=1e-5)
    assert few["mmd"] != all_cells["mmd"]


def test_no_change_has_the_distances_of_two_halves_of_the_controls_from_the_cells(make_screen, build):
    adata = scaled(make_screen())
    model = build("NoChange", adata)
    table = model.evaluate(perturbation=["A"], metrics="energy_distance", n_components=None, rng=0)
    labels, x = adata.obs["perturbation"].to_numpy(), adata.X
    start = np.random.default_rng(0).permutation(np.flatnonzero(labels == "control"))[:24]
    expected = energy_distance(x[start], x[labels == "A"])
    assert table.loc["A", "energy_distance"] == pytest.approx(expected, abs=1e-5)


def test_the_controls_of_the_measured_change_can_be_chosen(make_screen, build):
    adata = scaled(make_screen())
    model = build("NoChange", adata)
    controls = np.flatnonzero(adata.obs["perturbation"] == "control")
    x = adata.X
    real = x[(adata.obs["perturbation"] == "A").to_numpy()].mean(0)
    for given, cells in {"all": controls, "some": controls[:5]}.items():
        table = model.evaluate(
            perturbation="A",
            metrics="rmse",
            reference_cells="all" if given == "all" else cells,
            indices=range(adata.n_obs),
        )
        expected = np.sqrt(np.mean((real - x[cells].mean(0)) ** 2))
        assert table.loc["A", "rmse"] == pytest.approx(expected, rel=1e-5)
    for wrong in (np.arange(3), controls[:1], controls[1:], "half"):
        with pytest.raises(ValueError, match="`reference_cells` must"):
            model.evaluate(reference_cells=wrong, indices=range(adata.n_obs))
