from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from scpi.model.base._constants import KEYS
from scpi.model.gene_program._module import GeneProgramModule
from scpi.model.gene_program._plan import GeneProgramPlan
from scpi.model.gene_program._presets import PRESETS

SMALL = replace(PRESETS["scpi"], n_hidden=(20,), n_units=3)


@pytest.fixture
def make_plan():
    def make_plan(n_known_batches=None, epoch=0, **changes):
        torch.manual_seed(0)
        module = GeneProgramModule(400, n_batch=3, preset=replace(SMALL, **changes))
        plan = GeneProgramPlan(module, n_cells=40, n_epochs=20, n_batches=5, n_known_batches=n_known_batches)
        plan.trainer = SimpleNamespace(current_epoch=epoch, sanity_checking=False, should_stop=False)
        return plan

    return make_plan


@pytest.fixture
def cells():
    counts = torch.poisson(torch.ones(8, 400), generator=torch.Generator().manual_seed(0))
    return {KEYS.X: counts, KEYS.INPUT: counts.log1p()}


def test_layers_that_sum_over_much_take_shorter_steps(make_plan):
    plan = make_plan(lr=0.1)
    rates = {
        id(parameter): group["lr"]
        for group in plan._groups([*plan.module.parameters()])
        for parameter in group["params"]
    }
    # 100 of 400 genes, and 10 of 20 hidden units
    assert rates[id(plan.module.first.weight)] == pytest.approx(0.025)
    assert rates[id(plan.module.to_units.weight)] == pytest.approx(0.05)
    assert rates[id(plan.module.weight)] == rates[id(plan.module.level)] == 0.1
    assert len(rates) == len([*plan.module.parameters()])


def test_the_learning_rate_rises_over_a_tenth_of_the_steps_and_falls(make_plan):
    found = make_plan(lr=0.1).configure_optimizers()
    schedule, rates = found["lr_scheduler"]["scheduler"], []
    for _ in range(100):
        rates.append(max(schedule.get_last_lr()))
        found["optimizer"].step()
        schedule.step()
    assert max(rates) == rates[9] == pytest.approx(0.1)
    assert rates[-1] < 1e-3


@pytest.mark.parametrize(("warmup", "epoch", "warm"), [(0.0, 0, 1.0), (0.5, 0, 0.1), (0.5, 4, 0.5), (0.5, 19, 1.0)])
def test_priors_rise_over_the_warmup(make_plan, cells, warmup, epoch, warm):
    plan = make_plan(warmup=warmup, epoch=epoch)
    assert plan.warm == pytest.approx(warm)
    losses = plan.module.losses(cells, n_cells=40)
    expected = losses["reconstruction"] + warm * (losses["units"] + losses["genes"])
    assert plan.training_step(cells, 0).item() == pytest.approx(expected.item(), rel=1e-6)


def test_only_the_levels_of_new_batches_are_trained(make_plan, cells):
    plan = make_plan(n_known_batches=2)
    optimizer = plan.configure_optimizers()["optimizer"]
    before = {name: value.detach().clone() for name, value in plan.module.named_parameters()}
    plan.training_step(cells | {KEYS.BATCH: torch.arange(8)[:, None] % 3}, 0).backward()
    plan.on_before_optimizer_step(optimizer)
    optimizer.step()
    changed = {name for name, value in plan.module.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {"level"}
    assert torch.equal(plan.module.level[:2], before["level"][:2])
    assert not torch.equal(plan.module.level[2], before["level"][2])


def test_training_stops_after_checks_without_a_gain(make_plan):
    plan, stopped = make_plan(check_every=1, patience=2, least_gain=0.1), []
    for loss in (5.0, 4.0, 3.95, 3.8, 3.79, 3.78):
        plan.trainer.callback_metrics = {"reconstruction_validation": torch.tensor(loss)}
        plan.on_validation_epoch_end()
        stopped.append(plan.trainer.should_stop)
    # 3.95 gains too little, 3.8 enough over the best so far, and two more too little again
    assert stopped == [False, False, False, False, False, True]
