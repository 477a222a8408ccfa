from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.datasets import causal_screen
from scpi.model.senavae._scm import CausalGraph, CausalLayer, solve_linear, solve_relu

D = 6


@pytest.fixture
def graph():
    return torch.triu(torch.randn(D, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64), 1)


@pytest.fixture
def z():
    return torch.randn(9, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def relu_loop(z, graph):
    u = np.zeros_like(z)
    for cell in range(len(z)):
        for j in range(D):
            u[cell, j] = z[cell, j] + sum(max(u[cell, i], 0.0) * graph[i, j] for i in range(j))
    return u


def test_linear_is_the_inverse_of_one_minus_the_graph(graph, z):
    expected = z.numpy() @ np.linalg.inv(np.eye(D) - graph.numpy())
    np.testing.assert_allclose(solve_linear(z, graph).numpy(), expected, atol=1e-12)


def test_relu_goes_from_causes_to_consequences(graph, z):
    np.testing.assert_allclose(solve_relu(z, graph).numpy(), relu_loop(z.numpy(), graph.numpy()), atol=1e-12)


@pytest.mark.parametrize("solve", [solve_linear, solve_relu])
def test_gradients_are_those_of_finite_differences(graph, z, solve):
    index = torch.triu_indices(D, D, 1)

    def function(noise, weights):
        return solve(noise, torch.zeros(D, D, dtype=torch.float64).index_put((index[0], index[1]), weights))

    weights = graph[index[0], index[1]].clone().requires_grad_()
    assert torch.autograd.gradcheck(function, (z[:3].clone().requires_grad_(), weights))


@pytest.mark.parametrize("mechanism", ["linear", "relu", "none"])
def test_the_inverse_gives_the_noise_back(graph, z, mechanism):
    layer = CausalLayer(D, mechanism=mechanism).double()
    if layer.graph is not None:
        layer.graph.set_adjacency(graph)
    torch.testing.assert_close(layer.inverse(layer(z)), z, atol=1e-12, rtol=0)
    torch.testing.assert_close(layer(layer.inverse(z)), z, atol=1e-12, rtol=0)
    if mechanism == "none":
        assert layer(z) is z


@pytest.mark.parametrize("mechanism", ["linear", "relu"])
def test_the_simulator_has_the_same_mechanism(mechanism):
    adata = causal_screen(5, n_genes=5, n_cells=20, mechanism=mechanism, graph="erdos_renyi", doubles=False, rng=1)
    truth, control = adata.uns["truth"], (adata.obs["perturbation"] == "control").to_numpy()
    order = truth["order"]
    layer = CausalLayer(5, mechanism=mechanism).double()
    layer.graph.set_adjacency(torch.from_numpy(truth["graph"][np.ix_(order, order)]))
    u = layer(torch.from_numpy(adata.obsm["exogenous"][control][:, order]))
    np.testing.assert_allclose(u.detach().numpy(), adata.obsm["causal"][control][:, order], atol=1e-10)


def test_the_graph_is_strictly_upper_triangular():
    torch.manual_seed(0)
    graph = CausalGraph(40)
    matrix = graph()
    assert (torch.tril(matrix) == 0).all()
    assert graph.weight.numel() == 40 * 39 / 2
    assert float(graph.weight.std()) == pytest.approx(0.1, rel=0.1)
    assert (graph.set_adjacency(torch.ones(40, 40)) or graph()).sum() == 40 * 39 / 2


def test_the_penalty_is_the_sum_or_the_mean_over_possible_edges(graph):
    layer = CausalLayer(D).double()
    layer.graph.set_adjacency(graph)
    total = graph.abs().sum()
    torch.testing.assert_close(layer.sparsity_penalty(mean=False), total)
    torch.testing.assert_close(layer.sparsity_penalty(mean=True), total / (D * (D - 1) / 2))
    assert CausalLayer(D, mechanism="none").sparsity_penalty(mean=False) == 0
    assert CausalLayer(1).sparsity_penalty(mean=True) == 0


def test_one_factor_has_no_graph(z):
    layer = CausalLayer(1).double()
    torch.testing.assert_close(layer(z[:, :1]), z[:, :1])
