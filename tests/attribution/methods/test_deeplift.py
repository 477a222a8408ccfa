"""Secants of curved operations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import DeepLift
from torch import nn

from scpi.attribution import AttributionTarget, attribute_cells, contrast

SETTINGS = {"method": "deeplift"}


def test_it_is_that_of_captum(network, target, counts, log_counts):
    found = attribute_cells(target, counts, **SETTINGS)
    mean = log_counts.mean(0, keepdim=True)
    for k in range(4):
        expected = DeepLift(network).attribute(log_counts, mean, target=k).detach()
        np.testing.assert_allclose(found.values[k], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.error, 0.0, atol=1e-4)


def test_a_cell_that_is_the_baseline_has_no_attributions(target, counts, log_counts):
    found = attribute_cells(target, counts, "class_1", **SETTINGS, baseline=log_counts[3].numpy())
    np.testing.assert_array_equal(found.values[3], 0.0)
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("reference", ["rest", "mean", "median", "class_2"])
def test_margins_are_complete(target, counts, reference):
    found = attribute_cells(contrast(target, reference=reference), counts, "class_1", **SETTINGS)
    assert np.abs(found.difference).mean() > 0.05
    if reference != "median":  # which output is in the middle changes on the way
        np.testing.assert_allclose(found.error, 0.0, atol=2e-4)


CENTRES = torch.randn((5, 4), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "curve",
    [
        lambda z: -(torch.cdist(z, CENTRES) ** 2),
        lambda z: -(z[:, None] - CENTRES).pow(2).sum(-1),
        lambda z: -(z[:, None] - CENTRES).square().sum(-1) / 0.5,
        lambda z: -torch.log1p((z[:, None] - CENTRES).square().sum(-1)),
        lambda z: nn.functional.normalize(z, dim=1) @ CENTRES.T,
        lambda z: torch.softmax(z @ CENTRES.T, dim=1),
        lambda z: (z @ CENTRES.T).log_softmax(1),
        lambda z: nn.functional.layer_norm(z, (4,)) @ CENTRES.T,
        lambda z: nn.functional.relu(z @ CENTRES.T, inplace=True),
        lambda z: nn.functional.relu(z @ CENTRES.T, True),
        lambda z: (z @ CENTRES.T).relu_(),
    ],
)
def test_what_clusterings_end_in_is_complete(smooth_network, counts, curve):
    target = AttributionTarget(lambda x: curve(smooth_network(x)), torch.log1p, list("abcde"), kind="logit")
    found = attribute_cells(target, counts, "b", **SETTINGS)
    assert np.abs(found.difference).mean() > 1e-3
    assert np.abs(found.error).mean() < 2e-3 * np.abs(found.difference).mean()


def test_parameters_are_no_cells():
    """A parameter with as many rows as there are cells and starts goes through curves as it is."""
    weight = nn.Parameter(torch.linspace(-1.0, 1.0, 8))
    target = AttributionTarget(
        lambda x: x * nn.functional.softplus(weight), lambda x: x, list("abcdefgh"), kind="logit"
    )
    found = attribute_cells(target, np.ones((4, 8)), "c", **SETTINGS, baseline="zero")
    expected = np.zeros(8)
    expected[2] = nn.functional.softplus(weight)[2].item()
    np.testing.assert_allclose(found.values, np.tile(expected, (4, 1)), rtol=1e-6)
