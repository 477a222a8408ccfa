from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from scpi.model.base.training._plan import NetworkPlan, Phases


class Network(torch.nn.Module):
    preset = "settings"

    def __init__(self):
        super().__init__()
        self.first, self.second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))


@pytest.fixture
def plan():
    plan = NetworkPlan(Network())
    plan.manual_backward = lambda loss: loss.backward()
    return plan


def test_a_step_moves_its_optimisers_alone(plan):
    first, second = (torch.optim.SGD([p], lr=0.1) for p in (plan.module.first, plan.module.second))
    loss = (2.0 * plan.module.first + 3.0 * plan.module.second).sum()
    plan._descend(loss, [first])
    assert (plan.module.first.item(), plan.module.second.item()) == (pytest.approx(0.8), 1.0)
    # Gradients that are left over do not count
    plan._descend((2.0 * plan.module.first + 3.0 * plan.module.second).sum(), [first, second])
    assert (plan.module.first.item(), plan.module.second.item()) == (pytest.approx(0.6), pytest.approx(0.7))


def test_the_means_of_an_epoch_are_logged(plan):
    logged = []
    plan.log_dict = logged.append
    for value in (1.0, 3.0):
        plan._metrics.add({"loss": torch.tensor(value), "kl": torch.tensor(2 * value)})
    plan.on_train_epoch_end()
    plan._metrics.add({"loss": torch.tensor(5.0)})
    plan.on_train_epoch_end()
    assert logged == [{"loss_train": 2.0, "kl_train": 4.0}, {"loss_train": 5.0}]


def test_the_settings_are_those_of_the_module(plan):
    assert plan.preset == "settings"
    assert not plan.automatic_optimization
    assert NetworkPlan(Network(), manual=False).automatic_optimization


@pytest.mark.parametrize("several", [True, False])
def test_optimisers_are_a_list_however_many_there_are(plan, several):
    one = SimpleNamespace()
    plan.optimizers = lambda: [one, one] if several else one
    assert plan._optimizers() == [one, one][: 1 + several]


def test_phases_come_one_after_the_other():
    phases, seen = Phases({"a": 2, "b": 0, "c": 3}), []
    for epoch in range(10):
        seen.append((phases.name, epoch - phases.began))
        if phases.is_over(epoch) and not phases.advance(epoch):
            break
    assert seen == [("a", 0), ("a", 1), ("c", 0), ("c", 1), ("c", 2)]


def test_a_phase_may_end_early():
    phases = Phases({"a": 5, "b": 2})
    assert not phases.is_over(0)
    assert phases.advance(0)
    assert (phases.name, phases.began) == ("b", 1)
    assert not phases.is_over(1)
    assert phases.is_over(2)
    assert not phases.advance(2)
