from __future__ import annotations

import pytest
import torch

from scpi.attribution._secant import paired_slopes

U = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.2, 0.7]], dtype=torch.float64)
START = torch.tensor([[0.1, 1.0, 0.3], [-2.0, 0.2, 0.4]], dtype=torch.float64)
WEIGHT = torch.tensor([[1.0, -2.0], [0.5, 1.0], [-1.0, 3.0]], dtype=torch.float64)

SINGLE = [torch.exp, torch.tanh, torch.square, torch.nn.functional.softplus, torch.relu, torch.abs]
JOINT = [
    lambda z: z.softmax(1),
    lambda z: z.log_softmax(1),
    lambda z: torch.nn.functional.normalize(z, dim=1),
    lambda z: torch.cdist(z, torch.eye(2, dtype=torch.float64)),
]


# Of numbers together, the mean slope is found by a quadrature, which is exact to rounding on a short way
@pytest.mark.parametrize(("curve", "way"), [*((curve, 1.0) for curve in SINGLE), *((curve, 0.2) for curve in JOINT)])
def test_slopes_times_the_way_are_the_difference(curve, way):
    def function(u):
        return curve(u @ WEIGHT)

    u = START + way * (U - START)
    slopes = paired_slopes(function, u, START, [1, 0])
    found = (slopes * (u - START)).sum(-1)
    difference = (function(u) - function(START))[:, [1, 0]].T
    torch.testing.assert_close(found, difference, atol=1e-6, rtol=1e-6)
    assert difference.abs().max() > 0.01


def test_the_slope_of_a_curve_of_single_numbers_is_its_secant():
    slopes = paired_slopes(lambda u: torch.exp(u).sum(1, keepdim=True), U, START, [0])[0]
    same = U == START
    secant = (torch.exp(U) - torch.exp(START)) / torch.where(same, 1.0, U - START)
    # Where nothing has moved it is the derivative
    torch.testing.assert_close(slopes, torch.where(same, torch.exp(U), secant))


def test_a_linear_function_has_its_weights():
    torch.testing.assert_close(paired_slopes(lambda u: u @ WEIGHT, U, START, [0])[0], WEIGHT[:, 0].expand(2, 3))


def test_a_quadratic_form_has_the_slope_between():
    """Of the square of a sum, the mean gradient on the way is the sum of both ends."""
    slopes = paired_slopes(lambda u: u.sum(1, keepdim=True).square(), U, START, [0])[0]
    torch.testing.assert_close(slopes, (U.sum(1) + START.sum(1))[:, None].expand(2, 3))
