from __future__ import annotations

import pytest
import torch
from torch import nn

from scpi.attribution._rectified import rectified_slopes

U = torch.tensor([[0.5, -1.0], [2.0, 3.0]], dtype=torch.float64)
DOWN = torch.tensor([[1.0, -2.0], [-1.0, 1.0]], dtype=torch.float64)


def slope_of_softplus(u):
    return torch.sigmoid(u)


def test_negative_gradients_do_not_pass_an_activation():
    """Of softplus(u) A, output k has slope A[:, k] cut at zero, times that of the curve."""
    found = rectified_slopes(lambda u: nn.functional.softplus(u) @ DOWN, U, [0, 1])
    expected = torch.stack([slope_of_softplus(U) * DOWN[:, k].clamp(min=0) for k in range(2)])
    torch.testing.assert_close(found, expected)


def test_what_comes_before_the_activation_keeps_its_sign():
    found = rectified_slopes(lambda u: torch.tanh(u @ DOWN), U, [1])
    expected = (1 - torch.tanh(U @ DOWN)[:, [1]] ** 2) * DOWN[:, 1]
    torch.testing.assert_close(found, expected[None])
    assert (found < 0).any()


def test_without_activations_slopes_are_gradients():
    found = rectified_slopes(lambda u: (u**2) @ DOWN, U, [0])
    torch.testing.assert_close(found[0], 2 * U * DOWN[:, 0])


@pytest.mark.parametrize("curve", [torch.relu, lambda u: nn.functional.relu(u, inplace=True), nn.ReLU()])
def test_a_function_computes_what_it_computed_before_and_the_cells_stay(curve):
    kept, seen = U.clone(), []

    def function(u):
        seen.append(curve(u - 1.0))
        return seen[-1]

    rectified_slopes(function, U, [0])
    torch.testing.assert_close(seen[0].as_subclass(torch.Tensor).detach(), (U - 1.0).clamp(min=0))
    torch.testing.assert_close(U, kept)
