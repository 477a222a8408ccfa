from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from scpi.model.senavae._module import SENAVAEModule
from scpi.model.senavae._presets import PRESETS
from scpi.model.senavae._training_plan import SENAVAETrainingPlan

PRESET = replace(
    PRESETS["scpi"], encoder="linear", n_hidden=0, mmd_start=0, kl_start=2, temperature_start=1, max_kl=3.0
)


@pytest.fixture
def make_plan():
    def make_plan(epoch=0, **kwargs):
        torch.manual_seed(0)
        module = SENAVAEModule(6, 3, 3, preset=PRESET)
        plan = SENAVAETrainingPlan(module, preset=PRESET, n_epochs=12, **kwargs)
        plan.trainer = SimpleNamespace(current_epoch=epoch, estimated_stepping_batches=100)
        return plan

    return make_plan


@pytest.mark.parametrize(
    ("epoch", "mmd", "kl", "temperature"),
    [(0, 0.0, 0.0, 1.0), (2, 40.0, 0.0, 2.0), (4, 80.0, 2.0, 4.0), (6, 100.0, 3.0, 5.0)],
)
def test_weights_rise_linearly_to_half_of_the_epochs(make_plan, epoch, mmd, kl, temperature):
    plan = make_plan(epoch)
    plan.on_train_epoch_start()
    module = plan.module
    found = [float(value) for value in (module.mmd_weight, module.kl_weight, module.intervention.temperature)]
    assert found == pytest.approx([mmd, kl, temperature])


def test_the_learning_rate_rises_for_two_percent_of_the_steps_and_falls_to_one_percent(make_plan):
    factor = make_plan()._lr_factor
    assert factor(0) == pytest.approx(0.05)
    assert factor(1) == pytest.approx(0.55 * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi / 100))))
    assert factor(50) == pytest.approx(0.505)
    assert factor(100) == factor(150) == pytest.approx(0.01)


def test_the_learning_rate_is_that_of_the_preset_unless_given(make_plan):
    assert make_plan().lr == PRESET.lr
    assert make_plan(lr=0.5).lr == 0.5


@pytest.mark.parametrize("epoch", [3, 4])
def test_factors_are_ordered_where_it_is_due_and_the_optimiser_forgets(make_plan, epoch, monkeypatch):
    cells = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    plan = make_plan(epoch, ordering_cells=(cells, None), ordering_epochs=(3,))
    state = {"moment": 1}
    monkeypatch.setattr(plan, "optimizers", lambda: SimpleNamespace(optimizer=SimpleNamespace(state=state)))
    decoded = plan.module.decoder(plan.module.causal(plan.module.encode(cells)[0])).detach()
    before = plan.module.causal.adjacency().detach().clone()
    plan.on_train_epoch_start()
    assert state == ({} if epoch == 3 else {"moment": 1})
    assert torch.equal(plan.module.causal.adjacency(), before) == (epoch == 4)
    # A linear model decodes the same, whatever the order of its factors.
    after = plan.module.decoder(plan.module.causal(plan.module.encode(cells)[0]))
    torch.testing.assert_close(after, decoded, rtol=1e-3, atol=1e-5)
