from __future__ import annotations

import numpy as np
import pytest

import scpi


@pytest.fixture(scope="module")
def shared():
    """Eight perturbations that act along three lines, on log-normalised values of 60 genes."""
    rng = np.random.default_rng(0)
    lines = rng.normal(size=(3, 60)) / 8
    names = [f"P{i}" for i in range(8)]
    labels = np.repeat(["control", *names], [400, *[100] * 8])
    x = 1 + 0.3 * rng.normal(size=(len(labels), 60))
    for index, name in enumerate(names):
        x[labels == name] += lines[index % 3] * (-1) ** index * (1 + index / 8)
    adata = scpi.datasets.causal_screen(2, n_genes=60, n_cells=300, rng=0)[: len(labels)].copy()
    adata.X = np.abs(x).astype(np.float32)
    adata.obs["perturbation"] = labels
    return adata


def fit(adata, **kwargs):
    train = {"max_epochs": 1, "enable_progress_bar": False, "logger": False} | kwargs.pop("train", {})
    scpi.model.SENAVAE.setup_anndata(adata)
    model = scpi.model.SENAVAE(adata, encoder="linear", n_hidden=0, seed=0, **kwargs)
    model.train(**train)
    return model


@pytest.fixture(scope="module")
def model(shared):
    return fit(shared)


def test_perturbations_share_a_factor_where_their_effects_lie_on_a_line(model):
    assert model.n_factors_ == model.module.n_factors == 3
    factor = model.get_intervention_targets().set_index("perturbation")["factor"]
    assert factor.nunique() == 3
    assert all(factor[f"P{i}"] == factor[f"P{i % 3}"] for i in range(8))
    assert "n_factors: 3" in model._model_summary_string


def test_the_number_is_kept_with_the_model(model, shared, tmp_path):
    model.save(tmp_path / "model")
    loaded = scpi.model.SENAVAE.load(tmp_path / "model", adata=shared)
    assert loaded.n_factors_ == 3
    assert loaded.get_edge_stability(n_draws=6).equals(model.get_edge_stability(n_draws=6))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"n_factors": 5}, 5), ({"choose_factors": False}, 8), ({"max_factors": 2}, 2), ({"preset": "zhang"}, 8)],
)
def test_it_is_chosen_only_where_it_was_left_open(shared, arguments, expected):
    assert fit(shared, **arguments).n_factors_ == expected


def test_the_cells_that_are_held_out_have_no_say(shared):
    """The last two lines are seen in cells that are not trained on alone."""
    single = np.flatnonzero(shared.obs["perturbation"].isin(["control", "P0", "P3", "P6"]))
    others = np.setdiff1d(np.arange(shared.n_obs), single)
    split = {"external_indexing": [single, np.array([], dtype=int), others]}
    assert fit(shared, train={"datasplitter_kwargs": split}).n_factors_ == 1


def test_training_goes_on_with_the_same_factors(shared):
    model = fit(shared)
    model.train(1, enable_progress_bar=False, logger=False)
    assert model.n_factors_ == 3


def test_strong_edges_of_a_simulated_graph_are_stable():
    adata = scpi.datasets.causal_screen(4, n_genes=60, n_cells=200, mixing="random", doubles=False, rng=1)
    model = fit(adata, n_factors=4)
    edges = model.get_edge_stability(n_draws=40, size_sd=0.0)
    assert edges.columns.tolist() == ["source", "target", "weight", "stability"]
    assert len(edges) == 6
    # The chain has three edges of weight 1, which are a half of the pairs
    assert (edges["stability"].iloc[:3] == 1).all()
    assert (edges["stability"].iloc[3:] <= 0.1).all()
    np.testing.assert_allclose(edges["weight"], model.get_causal_graph()["weight"])
    doubted = model.get_edge_stability(n_draws=200, size_sd=0.5)["stability"].iloc[:3]
    assert (doubted < 1).all()
    again = model.get_edge_stability(n_draws=40, size_sd=0.3, seed=5)
    assert again.equals(model.get_edge_stability(n_draws=40, size_sd=0.3, seed=5))
    assert not again.equals(model.get_edge_stability(n_draws=40, size_sd=0.3, seed=6))


def test_edges_between_factors_that_do_nothing_are_not_stable(shared):
    null = shared.copy()
    null.obs["perturbation"] = np.random.default_rng(3).permutation(null.obs["perturbation"])
    edges = fit(null, n_factors=8).get_edge_stability(n_draws=60)
    assert (edges["stability"] < 0.8).all()


def test_the_halves_do_not_depend_on_how_many_are_held_at_once(model, monkeypatch):
    whole = model.get_edge_stability(n_draws=400)
    monkeypatch.setattr("scpi.model.senavae._structure._MOST_VALUES", 8 * 60 * 2 * 7)
    by_seven = model.get_edge_stability(n_draws=400)
    assert not whole.equals(by_seven)  # the stream of random numbers is another one
    np.testing.assert_allclose(whole["stability"], by_seven["stability"], atol=0.12)


def test_a_model_without_a_graph_has_no_edges(shared):
    edges = fit(shared, mechanism="none").get_edge_stability()
    assert edges.columns.tolist() == ["source", "target", "weight", "stability"]
    assert not len(edges)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_draws": 1}, "`n_draws` must be at least 2, got 1"),
        ({"n_edges": 0}, "`n_edges` must be at least 1, got 0"),
        ({"size_sd": -0.1}, "`size_sd` must not be negative, but is -0.1"),
        ({"size_sd": float("nan")}, "`size_sd` must not be negative, but is nan"),
    ],
)
def test_numbers_out_of_range(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.get_edge_stability(**arguments)
