from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from scpi.model.senavae._initial import (
    effects_on_genes,
    initialise_interventions,
    initialise_linear,
    order_factors,
    typical_shifts,
)
from scpi.model.senavae._module import SENAVAEModule
from scpi.model.senavae._presets import PRESETS

N_GENES, D = 12, 4


def linear_module(*, causal_posterior=True, mechanism="linear", seed=0):
    """A linear module with random weights and a graph against the numbering of its factors."""
    preset = dataclasses.replace(PRESETS["scpi"], encoder="linear", n_hidden=0, causal_posterior=causal_posterior)
    torch.manual_seed(seed)
    module = SENAVAEModule(N_GENES, 5, D, preset=preset, mechanism=mechanism).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64))
    return module


@pytest.fixture
def cells():
    return torch.randn(40, N_GENES, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def outputs(module, cells):
    """Reconstruction and prediction under every perturbation and a combination, from the posterior means."""
    design = torch.cat([torch.eye(5), torch.tensor([[1.0, 0, 2, 0, 1]])]).double()
    z = module.encode(cells)[0]
    return torch.stack(
        [module.generative(z)["mean"], *(module.generative(z, row[None])["perturbed"] for row in design)]
    ).detach()


@pytest.mark.parametrize("causal_posterior", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_ordering_leaves_the_function_of_a_linear_module_unchanged(cells, causal_posterior, seed):
    module = linear_module(causal_posterior=causal_posterior, seed=seed)
    before, variance = outputs(module, cells), module.encode(cells)[1]
    order = order_factors(module, cells)
    torch.testing.assert_close(outputs(module, cells), before, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(module.encode(cells)[1], variance[:, order])
    assert sorted(order.tolist()) == list(range(D))


@pytest.fixture
def chain(cells):
    """A chain that runs against the numbering of the factors, entangled with the decoder."""
    module = linear_module()
    graph = torch.zeros(D, D, dtype=torch.float64)
    for source, target in ((3, 2), (2, 1), (1, 0)):
        graph[source, target] = 1.0
    direct = torch.linalg.qr(torch.randn(N_GENES, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[
        0
    ]
    total = torch.linalg.inv(torch.eye(D, dtype=torch.float64) - graph) @ direct.t()
    with torch.no_grad():
        module.causal.graph.weight.zero_()
        module.decoder.first.weight.copy_(total.t())
        # The encoder gives noise of unit variance in these cells.
        whitened = torch.linalg.qr(cells - cells.mean(0))
        unmix = torch.linalg.inv(whitened.R)[:, :D] * 39**0.5
        module.encoder.heads.weight[:D].copy_(unmix.t())
        module.encoder.heads.bias[:D].copy_(-(cells.mean(0) @ unmix))
    return module


def test_ordering_finds_the_graph_of_a_linear_model(cells, chain):
    before = outputs(chain, cells)
    order = order_factors(chain, cells)
    assert order.tolist() == [3, 2, 1, 0]
    expected = torch.diag(torch.ones(D - 1, dtype=torch.float64), 1)
    torch.testing.assert_close(chain.causal.adjacency().detach(), expected, atol=0.05, rtol=0)
    torch.testing.assert_close(outputs(chain, cells), before, atol=1e-8, rtol=1e-8)


def test_an_order_that_agrees_keeps_the_graph_that_was_learned(cells, chain):
    order_factors(chain, cells)
    with torch.no_grad():
        chain.causal.graph.weight.mul_(0.9)
    learned = chain.causal.adjacency().detach().clone()
    assert order_factors(chain, cells).tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(chain.causal.adjacency().detach(), learned, atol=1e-12, rtol=0)


def test_effects_are_those_of_the_linear_model(cells):
    module = linear_module()
    effects, units = effects_on_genes(module, cells)
    total = torch.linalg.inv(torch.eye(D, dtype=torch.float64) - module.causal.adjacency())
    spread = module.encode(cells)[0].std(0, correction=0)
    expected = spread[:, None] * (total @ module.decoder.first.weight.t())
    np.testing.assert_allclose(effects, expected.detach().numpy(), atol=1e-8)
    torch.testing.assert_close(units, spread)


def test_shifts_are_those_of_the_interventions():
    module = linear_module()
    module.intervention.set_assignment(50 * torch.eye(D)[[0, 0, 1, 1, 2]], torch.tensor([2.0, -3.0, 1.0, 0.5, 0.01]))
    spread = torch.full((D,), 1.5, dtype=torch.float64)
    # The strongest of each factor; the spread where there is none, or hardly any.
    torch.testing.assert_close(typical_shifts(module, spread), torch.tensor([-3.0, 1.0, 1.5, 1.5]).double())


def test_the_start_of_a_linear_module_is_right_in_the_mean(cells):
    """Perturbations on the lines of the factors are predicted exactly before any training."""
    module = linear_module()
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(N_GENES, D)))[0].T
    factors, strengths = np.array([0, 1, 2, 3, 3]), np.array([2.0, -1.5, 3.0, 4.0, -2.0])
    changes = strengths[:, None] * directions[factors]
    scaled = initialise_interventions(module, changes)
    initialise_linear(module, cells, scaled)
    module.intervention.temperature.fill_(100.0)
    z, variance = module.encode(cells)
    torch.testing.assert_close(z.mean(0), torch.zeros(D, dtype=torch.float64), atol=1e-10, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(D, dtype=torch.float64))
    assert (variance < 0.1).all()
    baseline = module.generative(z)["mean"].mean(0)
    torch.testing.assert_close(baseline, cells.mean(0), atol=1e-6, rtol=0)
    for row, change in zip(torch.eye(5).double(), changes, strict=True):
        predicted = module.generative(z, row[None])["perturbed"].mean(0) - baseline
        np.testing.assert_allclose(predicted.detach().numpy(), change, atol=1e-6)
