"""The best epoch of a training run."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import lightning.pytorch as pl
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class Best:
    """Lowest value so far, its epoch, and optionally the weights of that epoch.

    ``epoch`` counts as the best one until there is a value.
    """

    def __init__(self, epoch: int = -1) -> None:
        self.value, self.epoch = math.inf, epoch
        self._state: dict[str, Tensor] | None = None

    def update(self, value: float, epoch: int, module: nn.Module | None = None) -> None:
        """Record the value of an epoch, and the weights of ``module`` if the value is the lowest so far."""
        if value < self.value:
            self.value, self.epoch = value, epoch
            self._state = None if module is None else copy.deepcopy(module.state_dict())

    def restore(self, module: nn.Module) -> None:
        """Restore the weights of the best epoch, if there are any."""
        if self._state is not None:
            module.load_state_dict(self._state)


class BestWeights(pl.Callback):
    """Restores the weights of the epoch with the lowest monitored value when training ends.

    Epochs before ``start_epoch`` do not count: while the weights of the objective still rise, values of different
    epochs measure different things.
    """

    def __init__(self, monitor: str, *, start_epoch: int = 0) -> None:
        self.monitor, self.start_epoch, self.best = monitor, start_epoch, Best()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights if they are the best so far."""
        value = trainer.callback_metrics.get(self.monitor)
        if not trainer.sanity_checking and value is not None and trainer.current_epoch >= self.start_epoch:
            self.best.update(float(value), trainer.current_epoch, _module(pl_module))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the best weights."""
        self.best.restore(_module(pl_module))


def _module(plan: pl.LightningModule) -> nn.Module:
    """Network that a training plan trains."""
    module = plan.module
    if not isinstance(module, nn.Module):
        msg = "The training plan has no module."
        raise TypeError(msg)
    return module
