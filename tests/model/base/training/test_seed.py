from __future__ import annotations

import scvi
import torch

from scpi.model.base import resolve_seed, seeded


def test_the_seed_of_scvi_tools_stands_in(monkeypatch):
    monkeypatch.setattr(scvi.settings, "_seed", 7)
    assert (resolve_seed(None), resolve_seed(3)) == (7, 3)
    monkeypatch.setattr(scvi.settings, "_seed", None)
    assert resolve_seed(None) == 0


def test_the_state_outside_is_left_alone():
    torch.manual_seed(5)
    expected = torch.randn(4)
    torch.manual_seed(5)
    with seeded(1):
        inside = torch.randn(2)
    with seeded(1):
        assert torch.equal(torch.randn(2), inside)
    assert torch.equal(torch.randn(4), expected)
