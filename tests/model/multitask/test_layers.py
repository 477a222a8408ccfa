from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from scpi.model.multitask._layers import Conditioned

X = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 4))).double()
CODE = torch.from_numpy(np.random.default_rng(1).normal(size=(6, 2))).double()


def layer(how, **kwargs):
    torch.manual_seed(0)
    return Conditioned(4, 3, n_codes=2, how=how, norm="layer", **kwargs).double().eval()


def test_the_condition_changes_nothing_at_first():
    plain = layer("none")(X)
    for how in ("film", "add", "mul"):
        told = layer(how)
        told.linear.load_state_dict(layer("none").linear.state_dict())
        torch.testing.assert_close(told(X, CODE), plain)


@pytest.mark.parametrize("trunk", [(), (5,)])
@pytest.mark.parametrize("how", ["film", "add", "mul"])
def test_scale_and_shift(how, trunk):
    module = layer(how, n_trunk=trunk)
    for part in (module.scale, module.shift):
        if part is not None:
            torch.nn.init.normal_(part.weight)
    told = CODE
    if trunk:
        told = F.leaky_relu(module.trunk[0][0](CODE), 0.01)
    y = F.layer_norm(X @ module.linear.weight.T + module.linear.bias, (3,), module.norm.weight, module.norm.bias)
    if how in ("film", "mul"):
        y = y * (1 + told @ module.scale.weight.T)
    if how in ("film", "add"):
        y = y + told @ module.shift.weight.T
    torch.testing.assert_close(module(X, CODE), F.leaky_relu(y, 0.01))


@pytest.mark.parametrize("how", ["film", "add", "mul"])
def test_a_random_start_as_published(how):
    """Scale and shift pass a LeakyReLU, and neither is the identity at first."""
    module = layer(how, start="random")
    scale, shift = (
        F.leaky_relu(CODE @ head.weight.T + head.bias, 0.01) if head is not None else torch.tensor(default)
        for head, default in ((module.scale, 1.0), (module.shift, 0.0))
    )
    y = F.layer_norm(X @ module.linear.weight.T + module.linear.bias, (3,), module.norm.weight, module.norm.bias)
    torch.testing.assert_close(module(X, CODE), F.leaky_relu(y * scale + shift, 0.01))
    for head in filter(None, (module.scale, module.shift)):
        # Uniform, within the limit of Glorot and Bengio
        assert 0 < head.weight.abs().max() <= np.sqrt(6 / 5)
    assert not torch.allclose(module(X, CODE), layer("none")(X))


def test_the_code_stands_beside_the_input():
    module = layer("concat")
    y = torch.cat([X, CODE], 1) @ module.linear.weight.T + module.linear.bias
    expected = F.leaky_relu(F.layer_norm(y, (3,), module.norm.weight, module.norm.bias), 0.01)
    torch.testing.assert_close(module(X, CODE), expected)


def test_units_are_dropped_in_training_only():
    module = layer("none", dropout=0.5)
    assert (module(X) != 0).all()
    dropped = (module.train()(X) == 0).double().mean()
    assert 0.2 < dropped < 0.8
