from __future__ import annotations

import pytest
import torch

from scpi.model.senavae._intervention import InterventionEncoder


@pytest.mark.parametrize("temperature", [1.0, 5.0, 100.0])
def test_the_published_encoder(temperature):
    """t(c) = softmax(temperature * Linear(LeakyReLU(Linear(c)))), one factor a perturbation; s(c) c t(c), summed."""
    torch.manual_seed(0)
    encoder = InterventionEncoder(4, 6, encoding="mlp").double()
    with torch.no_grad():
        encoder.strength.copy_(torch.tensor([1.0, -2.0, 0.5, 3.0]))
    encoder.temperature.fill_(temperature)
    first, last = encoder.logits_net[0], encoder.logits_net[2]
    assert first.out_features == 128
    t = []
    for code in torch.eye(4, dtype=torch.float64):
        hidden = first.weight @ code + first.bias
        hidden = torch.where(hidden > 0, hidden, 0.2 * hidden)
        t.append(torch.softmax(temperature * (last.weight @ hidden + last.bias), 0))
    t = torch.stack(t)
    torch.testing.assert_close(encoder.assignment(), t, atol=1e-12, rtol=0)
    design = torch.tensor([[1.0, 0, 0, 0], [1, 1, 0, 0], [0.5, 0, 2, 1], [0, 0, 0, 0]], dtype=torch.float64)
    strength = encoder.strength
    expected = torch.stack(
        [
            strength[0] * t[0],
            strength[0] * t[0] + strength[1] * t[1],
            0.5 * strength[0] * t[0] + 2 * strength[2] * t[2] + strength[3] * t[3],
            torch.zeros(6, dtype=torch.float64),
        ]
    )
    torch.testing.assert_close(encoder(design), expected, atol=1e-12, rtol=0)


def test_strengths_start_at_one():
    for encoding in ("mlp", "table"):
        assert (InterventionEncoder(3, 3, encoding=encoding).strength == 1).all()


@pytest.mark.parametrize("encoding", ["mlp", "table"])
def test_factors_are_renumbered(encoding):
    encoder = InterventionEncoder(3, 4, encoding=encoding)
    before = encoder.assignment().detach()
    order = torch.tensor([2, 0, 3, 1])
    encoder.permute_factors(order)
    torch.testing.assert_close(encoder.assignment(), before[:, order])


def test_only_a_table_is_set():
    with pytest.raises(TypeError, match="table"):
        InterventionEncoder(2, 2, encoding="mlp").set_assignment(torch.eye(2), torch.ones(2))
    encoder = InterventionEncoder(2, 2, encoding="table")
    encoder.set_assignment(30 * torch.eye(2).flip(0), torch.tensor([2.0, -1.0]))
    torch.testing.assert_close(encoder(torch.eye(2)), torch.tensor([[0.0, 2.0], [-1.0, 0.0]]))
