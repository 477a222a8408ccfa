from __future__ import annotations

import numpy as np
import pytest

from scpi.model.senavae._ordering import order_by_effects


def total_effects(graph, direct):
    """Effects on the genes of a shift of each factor: B = (I - G)^-1 A."""
    return np.linalg.inv(np.eye(len(graph)) - graph) @ direct


def orthogonal(n_factors, n_genes, seed=0):
    """Direct effects of equal size on genes, unrelated to each other."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n_genes, n_factors)))[0].T


GRAPHS = {
    "chain": [(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0)],
    "fork": [(0, 1, 1.0), (0, 2, -0.8), (0, 3, 1.2)],
    "collider": [(0, 3, 1.0), (1, 3, -1.0), (2, 3, 0.7)],
    "diamond": [(0, 1, 1.0), (0, 2, 0.9), (1, 3, 0.8), (2, 3, -1.1)],
    "dense": [(0, 1, 1.0), (0, 2, 0.6), (0, 3, -0.7), (1, 2, 0.9), (1, 3, 0.5), (2, 3, 1.0)],
}


@pytest.mark.parametrize("name", list(GRAPHS))
@pytest.mark.parametrize("permutation", [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]])
def test_known_graphs_are_found(name, permutation):
    graph = np.zeros((4, 4))
    for source, target, weight in GRAPHS[name]:
        graph[source, target] = weight
    graph = graph[np.ix_(permutation, permutation)]
    order, found = order_by_effects(total_effects(graph, orthogonal(4, 30)), ridge=0.0)
    np.testing.assert_allclose(found, graph, atol=1e-10)
    assert sorted(order) == [0, 1, 2, 3]
    ordered = graph[np.ix_(order, order)]
    assert (np.tril(ordered) == 0).all()


def test_a_chain_under_a_random_mixing_is_found():
    rng = np.random.default_rng(1)
    graph = np.diag(np.ones(4), 1)
    permutation = rng.permutation(5)
    graph = graph[np.ix_(permutation, permutation)]
    order, found = order_by_effects(total_effects(graph, rng.normal(size=(5, 200))), ridge=0.0)
    assert (np.tril(graph[np.ix_(order, order)]) == 0).all()
    np.testing.assert_allclose(found, graph, atol=0.35)


def test_the_graph_found_is_acyclic_whatever_the_effects():
    effects = np.random.default_rng(2).normal(size=(6, 6))
    order, found = order_by_effects(effects)
    assert (np.tril(found[np.ix_(order, order)]) == 0).all()


@pytest.mark.parametrize("n_silent", [1, 2, 4])
def test_silent_factors_have_no_edges(n_silent):
    """Factors that nothing hits, or all of them before anything is learned."""
    effects = orthogonal(4, 10)
    effects[:n_silent] = 0
    order, found = order_by_effects(effects)
    assert sorted(order) == [0, 1, 2, 3]
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:n_silent], 0, atol=1e-12)
    np.testing.assert_allclose(found[:, :n_silent], 0, atol=1e-12)


def test_the_ridge_shrinks_edges():
    graph = np.array([[0, 1.0], [0, 0]])
    effects = total_effects(graph, orthogonal(2, 10))
    weights = [order_by_effects(effects, ridge=ridge)[1][0, 1] for ridge in (0.0, 0.01, 1.0)]
    assert weights[0] == pytest.approx(1.0)
    assert 0.9 < weights[1] < 1.0
    assert weights[2] < 0.5
