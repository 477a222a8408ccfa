from __future__ import annotations

import anndata as ad
import networkx as nx
import numpy as np
import pytest

from scpi.datasets import causal_screen


def condition_moments(adata, label):
    x = adata.X[(adata.obs["perturbation"] == label).to_numpy()].astype(np.float64)
    return x.mean(axis=0), np.cov(x, rowvar=False), len(x)


@pytest.mark.parametrize("mixing", ["identity", "random"])
@pytest.mark.parametrize("graph", ["chain", "erdos_renyi"])
def test_linear_moments_follow_the_closed_form(graph, mixing):
    adata = causal_screen(4, n_genes=7, n_cells=4000, graph=graph, mixing=mixing, shift=3.0, rng=1)
    truth = adata.uns["truth"]
    response = np.linalg.inv(np.eye(4) - truth["graph"]) @ truth["mixing"]
    covariance = response.T @ response
    target = dict(zip(truth["targets"]["perturbation"], truth["targets"]["factor"], strict=True))
    sd = np.sqrt(np.diag(covariance))
    for label in ["control", "P2", "P0+P3"]:
        shift = np.zeros(4)
        for name in [] if label == "control" else label.split("+"):
            shift[target[name]] = 3.0
        mean, cov, n = condition_moments(adata, label)
        assert (np.abs(mean - shift @ response) <= 4.5 * sd / np.sqrt(n) + 1e-6).all()
        # The standard error of a covariance of Gaussians
        error = np.sqrt((covariance**2 + np.outer(sd, sd) ** 2) / n)
        assert (np.abs(cov - covariance) <= 4.5 * error + 1e-6).all()


def test_linear_equals_the_matrix_inverse():
    adata = causal_screen(5, n_genes=8, n_cells=10, graph="erdos_renyi", mixing="random", rng=3)
    truth = adata.uns["truth"]
    control = (adata.obs["perturbation"] == "control").to_numpy()
    causal = adata.obsm["exogenous"][control] @ np.linalg.inv(np.eye(5) - truth["graph"])
    np.testing.assert_allclose(adata.obsm["causal"][control], causal, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(adata.X, adata.obsm["causal"] @ truth["mixing"], rtol=1e-5, atol=1e-5)


def test_relu_by_the_formula_and_shift_of_each_target():
    adata = causal_screen(5, n_cells=30, mechanism="relu", graph="erdos_renyi", edge_probability=0.7, shift=5.0, rng=2)
    truth = adata.uns["truth"]
    graph, order = truth["graph"], truth["order"]
    target = dict(zip(truth["targets"]["perturbation"], truth["targets"]["factor"], strict=True))
    for row in range(0, adata.n_obs, 17):
        z = adata.obsm["exogenous"][row].copy()
        for name in adata.obs["perturbation"].iloc[row].split("+"):
            if name != "control":
                z[target[name]] += 5.0
        u = {}
        for j in order:
            u[j] = z[j] + sum(max(u[i], 0.0) * graph[i, j] for i in u)
        np.testing.assert_allclose(adata.obsm["causal"][row], [u[j] for j in range(5)], rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_graphs_are_acyclic_in_the_stated_order(seed):
    chain = causal_screen(6, n_cells=2, rng=seed).uns["truth"]
    order = chain["order"]
    expected = np.zeros((6, 6))
    expected[order[:-1], order[1:]] = 1
    np.testing.assert_array_equal(chain["graph"], expected)

    random = causal_screen(
        6, n_cells=2, graph="erdos_renyi", edge_probability=0.6, weight_range=(0.4, 0.9), rng=seed
    ).uns["truth"]
    assert nx.is_directed_acyclic_graph(nx.from_numpy_array(random["graph"] != 0, create_using=nx.DiGraph))
    assert (np.tril(random["graph"][np.ix_(random["order"], random["order"])]) == 0).all()
    weights = random["graph"][random["graph"] != 0]
    assert ((np.abs(weights) >= 0.4) & (np.abs(weights) <= 0.9)).all()


def test_edge_probability_is_the_share_of_pairs():
    n_edges = [
        (
            causal_screen(8, n_cells=1, graph="erdos_renyi", edge_probability=0.3, doubles=False, rng=i).uns["truth"][
                "graph"
            ]
            != 0
        ).sum()
        for i in range(100)
    ]
    # 28 pairs of factors: binomial
    assert np.mean(n_edges) == pytest.approx(28 * 0.3, abs=4 * np.sqrt(28 * 0.21 / 100))


def test_a_random_graph_has_at_least_one_edge_unless_none_is_asked_for():
    sparse = [
        causal_screen(3, n_cells=1, graph="erdos_renyi", edge_probability=1e-6, rng=i).uns["truth"]["graph"]
        for i in range(5)
    ]
    assert all((graph != 0).sum() == 1 for graph in sparse)
    none = causal_screen(3, n_cells=1, graph="erdos_renyi", edge_probability=0.0)
    assert (none.uns["truth"]["graph"] == 0).all()


def test_conditions_and_their_sizes():
    adata = causal_screen(3, n_genes=5, n_cells=7)
    counts = adata.obs["perturbation"].value_counts()
    assert counts.to_dict() == {"control": 14, "P0": 7, "P1": 7, "P2": 7, "P0+P1": 7, "P0+P2": 7, "P1+P2": 7}
    assert adata.X.dtype == np.float32
    assert (adata.X[:, 3:] == 0).all()
    assert sorted(adata.uns["truth"]["targets"]["factor"]) == [0, 1, 2]

    singles = causal_screen(3, n_genes=5, n_cells=7, n_control=4, doubles=False)
    assert singles.obs["perturbation"].value_counts().to_dict() == {"control": 4, "P0": 7, "P1": 7, "P2": 7}


def test_order_and_targets_are_not_always_the_index():
    truths = [causal_screen(5, n_cells=1, rng=seed).uns["truth"] for seed in range(6)]
    assert len({tuple(truth["order"]) for truth in truths}) > 3
    assert len({tuple(truth["targets"]["factor"]) for truth in truths}) > 3


def test_seeds():
    first, again, other = (causal_screen(n_cells=5, rng=seed).X for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(causal_screen(n_cells=5, rng=np.random.default_rng(7)).X, first)


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_round_trip(tmp_path, suffix):
    adata = causal_screen(3, n_genes=4, n_cells=3)
    path = tmp_path / f"screen.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        back = ad.read_h5ad(path)
    else:
        adata.write_zarr(path)
        back = ad.read_zarr(path)
    np.testing.assert_array_equal(back.X, adata.X)
    np.testing.assert_array_equal(back.uns["truth"]["graph"], adata.uns["truth"]["graph"])
    assert list(back.uns["truth"]["targets"]["perturbation"]) == ["P0", "P1", "P2"]
    assert back.uns["truth"]["params"]["mechanism"] == "linear"


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"n_factors": 0}, "n_factors"),
        ({"n_factors": 5, "n_genes": 4}, "n_genes"),
        ({"n_cells": 0}, "n_cells"),
        ({"n_control": 0}, "n_control"),
        ({"mechanism": "cubic"}, "'linear', 'relu'"),
        ({"graph": "ring"}, "'chain', 'erdos_renyi'"),
        ({"mixing": "none"}, "'identity', 'random'"),
        ({"edge_probability": 1.5}, "between 0 and 1"),
    ],
)
def test_bad_input(kwargs, match):
    with pytest.raises(ValueError, match=match):
        causal_screen(**{"n_cells": 2, **kwargs})
