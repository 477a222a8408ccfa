from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from scpi.model.base.training._best import Best, BestWeights


def run(values, *, start_epoch=0):
    """Let the callback see these validation values; the weight of an epoch is its number."""
    callback = BestWeights("objective", start_epoch=start_epoch)
    module = torch.nn.Linear(1, 1, bias=False)
    plan = SimpleNamespace(module=module)
    for epoch, value in enumerate(values):
        with torch.no_grad():
            module.weight.fill_(float(epoch))
        metrics = {} if value is None else {"objective": torch.tensor(value)}
        trainer = SimpleNamespace(callback_metrics=metrics, sanity_checking=False, current_epoch=epoch)
        callback.on_validation_end(trainer, plan)
    callback.on_train_end(trainer, plan)
    return callback, module.weight.item()


@pytest.mark.parametrize(
    ("values", "start_epoch", "best"),
    [
        ([3.0, 1.0, 2.0], 0, 1),
        ([0.0, 3.0, 2.0, 2.5], 1, 2),
        ([2.0, 1.0, 1.0], 0, 1),
        ([1.0, float("nan"), 2.0], 0, 0),
        ([None, 2.0, None], 0, 1),
    ],
)
def test_the_best_weights_come_back(values, start_epoch, best):
    callback, weight = run(values, start_epoch=start_epoch)
    assert weight == best
    assert callback.best.epoch == best
    assert callback.best.value == values[best]


def test_without_a_value_the_last_weights_stay():
    callback, weight = run([1.0, 0.5], start_epoch=2)
    assert weight == 1
    assert callback.best.epoch == -1


def test_weights_are_kept_only_if_asked_for():
    module, best = torch.nn.Linear(1, 1, bias=False), Best(epoch=4)
    assert best.epoch == 4
    for epoch, value in enumerate([2.0, 1.0, 3.0]):
        with torch.no_grad():
            module.weight.fill_(float(epoch))
        best.update(value, epoch)
    best.restore(module)
    assert (best.value, best.epoch, module.weight.item()) == (1.0, 1, 2.0)
