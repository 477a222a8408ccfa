"""The training loop of networks."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import numpy as np
from scvi.train import TrainRunner
from torch import nn

from scpi.model.base.training._seed import seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from scpi.model.base._screen_model import ScreenModel as Host
    from scpi.model.base.loading._screen_splitter import ScreenSplitter
else:
    Host = object


class BestWeights(pl.Callback):
    """Keeps the weights of the epoch with the lowest monitored value and restores them when training ends.

    Epochs before ``start_epoch`` do not count: while the weights of the objective still rise, values of different
    epochs measure different things.

    Parameters
    ----------
    monitor
        Metric to minimise.
    start_epoch
        First epoch that counts.
    """

    def __init__(self, monitor: str, *, start_epoch: int) -> None:
        self.monitor, self.start_epoch = monitor, start_epoch
        self.best_value, self.best_epoch = np.inf, -1
        self._state: dict[str, Tensor] | None = None

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights if they are the best so far."""
        value = trainer.callback_metrics.get(self.monitor)
        if trainer.sanity_checking or value is None or trainer.current_epoch < self.start_epoch:
            return
        if float(value) < self.best_value:
            self.best_value, self.best_epoch = float(value), trainer.current_epoch
            self._state = copy.deepcopy(_module(pl_module).state_dict())

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the best weights."""
        if self._state is not None:
            _module(pl_module).load_state_dict(self._state)


class NetworkTrainingMixin(Host):
    """Training by gradients, for models of screens.

    Subclasses name the splitter that makes their batches and the plan that trains their module.
    """

    _data_splitter_cls: type[ScreenSplitter]
    _train_runner_cls = TrainRunner
    _training_plan_cls: type[pl.LightningModule]

    def _fit(
        self,
        *,
        max_epochs: int,
        splitter_kwargs: Mapping[str, Any],
        plan_kwargs: Mapping[str, Any],
        anneal_end: int,
        monitor: str,
        restore_best: bool,
        early_stopping: bool | None,
        early_stopping_patience: int,
        accelerator: str,
        devices: int | list[int] | str,
        callbacks: Sequence[pl.Callback],
        trainer_kwargs: Mapping[str, Any],
        prepare: Callable[[Any], None] | None = None,
    ) -> Any:
        """Build splitter, plan and trainer, and run them; returns the splitter.

        ``early_stopping=None`` stops where there are validation cells. ``prepare`` is called with the splitter before training.
        """
        splitter = self._data_splitter_cls(self.adata_manager, **splitter_kwargs)
        if prepare is not None:
            prepare(splitter)
        plan = self._training_plan_cls(self.module, **plan_kwargs)
        has_validation = bool(splitter.val_dataloader())
        callbacks = list(callbacks)
        if restore_best and has_validation:
            callbacks.append(BestWeights(monitor, start_epoch=anneal_end))
        defaults: dict[str, Any] = {"check_val_every_n_epoch": 1 if has_validation else None, "log_every_n_steps": 1}
        if early_stopping is None:
            early_stopping = has_validation
        if early_stopping:
            if not has_validation:
                msg = "Early stopping needs validation cells: set `validation_size` above 0."
                raise ValueError(msg)
            defaults |= {
                "early_stopping_monitor": monitor,
                "early_stopping_patience": early_stopping_patience,
                "early_stopping_warmup_epochs": anneal_end,
            }
        runner = self._train_runner_cls(
            self,
            training_plan=plan,
            data_splitter=splitter,
            max_epochs=max_epochs,
            accelerator=accelerator,
            devices=devices,
            early_stopping=early_stopping,
            callbacks=callbacks,
            **{**defaults, **trainer_kwargs},
        )
        # A model that was trained before is in the mode for predictions.
        self.module.train()
        with seeded(splitter.seed):
            runner()
        labels = self._labels(self.adata)
        self.trained_conditions_ = sorted({label for label in labels[splitter.train_idx] if label != self.control_})
        return splitter


def _module(plan: pl.LightningModule) -> nn.Module:
    """Network that a training plan trains."""
    module = plan.module
    if not isinstance(module, nn.Module):
        msg = "The training plan has no module."
        raise TypeError(msg)
    return module
