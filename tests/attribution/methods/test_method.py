from __future__ import annotations

import numpy as np
import torch

from scpi.attribution import AttributionTarget
from scpi.attribution._methods._method import Batch, Method, Slopes, Values, completeness
from scpi.attribution._space import Space

PROJECTION = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]])
TARGET = AttributionTarget(
    lambda x: (x @ PROJECTION) ** 2,
    lambda x: x,
    ["a", "b"],
    kind="latent",
    projection=PROJECTION,
    head=lambda u: u**2,
)


def test_slopes_leave_their_coordinates_and_are_multiplied_by_the_change():
    slopes = torch.randn((2, 4, 2), generator=torch.Generator().manual_seed(0))
    change = torch.arange(12.0).reshape(4, 3)
    space = Space(TARGET, None)
    torch.testing.assert_close(Slopes(space, slopes).of_genes(1), slopes[1] @ PROJECTION.T)
    torch.testing.assert_close(Slopes(space, slopes, change).of_genes(0), slopes[0] @ PROJECTION.T * change)


def test_values_are_as_they_are():
    values = torch.arange(24.0).reshape(2, 4, 3)
    torch.testing.assert_close(Values(values).of_genes(1), values[1])


def test_completeness_compares_the_sum_with_the_difference():
    space = Space(TARGET, None)
    batch = Batch(space, torch.ones(1, 3), [1, 0], torch.zeros(1, 3), np.random.default_rng(0))
    u, start = torch.tensor([[3.0, 5.0]]), torch.tensor([[1.0, 2.0]])
    # Of a square, the sum of both ends is the slope between; the gradient at the cell overshoots by the squared way
    slopes = torch.stack([torch.tensor([[0.0, 7.0]]), torch.tensor([[6.0, 0.0]])])
    found = completeness(batch, slopes, u, start)
    torch.testing.assert_close(found.difference, torch.tensor([[21.0], [8.0]]))
    torch.testing.assert_close(found.error, torch.tensor([[0.0], [4.0]]))


def test_options_are_what_the_function_takes_beside_cells():
    def attribute(batch, *, n_steps=3, noise=0.1):
        raise NotImplementedError

    method = Method(name="m", attribute=attribute, means="", source="")
    assert method.options == ["n_steps", "noise"]
