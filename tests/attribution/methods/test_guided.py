"""Guided back-propagation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import GuidedBackprop
from torch import nn

from scpi.attribution import AttributionTarget, attribute_cells

N_GENES, N_HIDDEN, N_UNITS = 30, 16, 5


def encoder(beta):
    """Two layers, each with a softplus behind it."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(N_GENES, N_HIDDEN), nn.Softplus(beta), nn.Linear(N_HIDDEN, N_UNITS), nn.Softplus(beta)
    ).eval()


def by_hooks(network, x):
    """One backward pass a unit, cut at zero where it leaves the input of each softplus; units x cells x genes."""
    hooks = [
        module.register_full_backward_hook(lambda _, grad_in, grad_out: (grad_in[0].clamp(min=0),))
        for module in network
        if isinstance(module, nn.Softplus)
    ]
    found = []
    for unit in range(N_UNITS):
        cells = x.clone().requires_grad_(True)
        network(cells)[:, unit].sum().backward()
        found.append(cells.grad)
    for hook in hooks:
        hook.remove()
    return torch.stack(found).numpy()


def closed_form(network, x, beta):
    """Slopes of the curves around weights without their negative part."""
    first, second = network[0], network[2]
    with torch.no_grad():
        a1 = first(x)
        a2 = second(network[1](a1))
        s1, s2 = torch.sigmoid(beta * a1), torch.sigmoid(beta * a2)
        passed = second.weight.clamp(min=0)
        return torch.einsum("cu,uh,ch,hg->ucg", s2, passed, s1, first.weight).numpy()


@pytest.mark.parametrize("beta", [1, 16])
@pytest.mark.parametrize("projected", [False, True])
def test_it_is_the_closed_form_and_that_of_hooks(counts, log_counts, beta, projected):
    network = encoder(beta)
    names = [f"unit_{k}" for k in range(N_UNITS)]
    split = {
        "projection": network[0].weight.T,
        "head": lambda u: network[1:](u + network[0].bias),
    }
    target = AttributionTarget(network, torch.log1p, names, kind="latent", **(split if projected else {}))
    found = attribute_cells(target, counts, method="guided").values
    np.testing.assert_allclose(found, closed_form(network, log_counts, beta), atol=1e-5)
    np.testing.assert_allclose(found, by_hooks(network, log_counts), atol=1e-5)
    plain = attribute_cells(target, counts).values
    assert np.abs(found - plain).max() > 0.01


def test_it_is_that_of_captum_behind_rectifiers(kinked_network, make_target, counts, log_counts):
    found = attribute_cells(make_target(kinked_network, projected=True), counts, method="guided")
    for k in range(4):
        expected = GuidedBackprop(kinked_network).attribute(log_counts, target=k).detach()
        np.testing.assert_allclose(found.values[k], expected, atol=1e-5)


@pytest.mark.parametrize(
    "curve",
    [
        lambda a: nn.functional.relu(a, inplace=True),
        lambda a: nn.functional.relu(a, True),
        lambda a: a.clone().relu_(),
        torch.relu,
        nn.ReLU(inplace=True),
    ],
)
def test_it_does_not_matter_how_an_activation_is_written(counts, curve):
    torch.manual_seed(1)
    first, second = torch.randn(N_GENES, N_HIDDEN), torch.randn(N_HIDDEN, 2)
    found = [
        attribute_cells(
            AttributionTarget(lambda x, f=f: f(x @ first) @ second, torch.log1p, ["a", "b"], kind="latent"),
            counts,
            method="guided",
        ).values
        for f in (curve, nn.functional.relu)
    ]
    np.testing.assert_array_equal(*found)
    assert (found[0] != 0).any()
