"""Networks whose plan computes the losses."""

from __future__ import annotations

import pytest
import torch

from scpi.model.base import KEYS
from scpi.model.base.training._plan_module import PlanModule


class Doubling(PlanModule):
    def encode(self, x):
        return 2.0 * x


def test_it_gives_the_units_of_what_the_network_reads():
    module = Doubling()
    counts, read = torch.ones(2, 3), torch.full((2, 3), 0.5)
    for tensors, x in (({KEYS.X: counts}, counts), ({KEYS.X: counts, KEYS.INPUT: read}, read)):
        found = module.inference(**module._get_inference_input(tensors))
        torch.testing.assert_close(found["z"], 2.0 * x)


def test_losses_are_those_of_the_plan():
    with pytest.raises(NotImplementedError, match="training plan"):
        Doubling().loss({}, {}, {})
    with pytest.raises(NotImplementedError, match="Doubling implements its own decoding"):
        Doubling().generative(torch.ones(1, 1))
