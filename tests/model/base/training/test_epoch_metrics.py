from __future__ import annotations

import pytest
import torch

from scpi.model.base.training._epoch_metrics import EpochMetrics


def test_means_over_the_steps_and_a_new_start():
    metrics = EpochMetrics()
    weight = torch.ones(1, requires_grad=True)
    for factor in (1.0, 2.0, 6.0):
        metrics.add({"loss": (factor * weight).sum()})
    assert metrics.take() == {"loss": 3.0}
    assert metrics.take() == {}
    metrics.add({"loss": torch.tensor(4.0), "other": torch.tensor(1.0)})
    assert metrics.take() == {"loss": 4.0, "other": 1.0}


def test_no_graph_is_kept():
    metrics = EpochMetrics()
    metrics.add({"loss": (torch.ones(1, requires_grad=True) * 2).sum()})
    assert not metrics._sums["loss"].requires_grad
    assert metrics.take()["loss"] == pytest.approx(2.0)
