"""Integrated gradients from the inputs of a decoder to the genes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients

from scpi.model.base.explanation._path import Path, shuffle_parameters


def path_of(decode, *, seed=0, n_cells=7, n_inputs=5):
    generator = torch.Generator().manual_seed(seed)
    start, run = (torch.randn(n_cells, n_inputs, generator=generator) for _ in range(2))
    return Path(lambda x, cells: decode(x), start, start + run, torch.ones(n_cells, 1))


GROUPS = [np.array([place]) for place in range(5)]


def test_a_linear_decoder_is_exact():
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 6)
    path = path_of(layer)
    found = path.contributions(GROUPS)
    run = (path.end - path.start).mean(dim=0).detach().numpy()
    np.testing.assert_allclose(found, run[:, None] * layer.weight.detach().numpy().T, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=0), path.change(), atol=1e-6)


def test_a_network_has_the_integrated_gradients_of_captum():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 20), torch.nn.Tanh(), torch.nn.Linear(20, 6)).eval()
    path = path_of(network)
    found = path.contributions(GROUPS)
    for gene in range(6):
        expected = IntegratedGradients(network).attribute(path.end, path.start, target=gene, n_steps=64)
        np.testing.assert_allclose(found[:, gene], expected.mean(dim=0).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), path.change(), atol=1e-5)


def test_groups_scales_and_inputs_that_stay():
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 6)
    path = path_of(layer)
    both = path.contributions([np.array([0, 1]), np.array([2, 3, 4])])
    np.testing.assert_allclose(both[0], path.contributions(GROUPS)[:2].sum(axis=0), atol=1e-6)
    doubled = path._replace(scale=2 * path.scale)
    np.testing.assert_allclose(doubled.contributions(GROUPS), 2 * path.contributions(GROUPS), atol=1e-6)
    kept = np.array([True, False, False, False, False])
    np.testing.assert_allclose(path.change(kept), path.contributions(GROUPS)[0], atol=1e-6)
    assert len(path.first(3).start) == 3


def test_parameters_are_shuffled_within_their_tensor():
    network = torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.Linear(20, 3))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    shuffle_parameters(network, np.random.default_rng(0))
    for old, new in zip(before, network.parameters(), strict=True):
        assert old.shape == new.shape
        torch.testing.assert_close(old.flatten().sort().values, new.detach().flatten().sort().values)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(before[0], network[0].weight.detach())
