"""The training loop of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from scvi.train import TrainRunner

from scpi.model.base.loading._sampling import single_cells
from scpi.model.base.loading._splitter import CellSplitter
from scpi.model.base.saving._pickled import check_callbacks
from scpi.model.base.training._best import BestWeights
from scpi.model.base.training._fused import FusedTrainingPlan
from scpi.model.base.training._seed import seeded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import lightning.pytorch as pl

    from scpi.model.base._model_base import ModelBase as Host
    from scpi.model.base.loading._sampling import Sampling
else:
    Host = object


class NetworkTrainingMixin(Host):
    """Training by gradients.

    A module whose ``loss`` returns a :class:`~scvi.module.base.LossOutput` is trained by ``self._fit(max_epochs)``. Other
    training loops name a plan of their own in ``_training_plan_cls``, other batches are chosen in ``_split``.
    """

    _data_splitter_cls = CellSplitter
    _train_runner_cls = TrainRunner
    _training_plan_cls: type[pl.LightningModule] = FusedTrainingPlan

    trained_conditions_: list[str]

    def _split(
        self,
        sampling: Sampling = single_cells,
        *,
        seed: int | None = None,
        datasplitter_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> CellSplitter:
        """Divide the cells, and choose how batches are made of them.

        ``sampling`` is a function of :mod:`~scpi.model.base.loading._sampling`, with its options.
        ``datasplitter_kwargs`` are those of users and come before ``kwargs``, both of
        :class:`~scpi.model.base.loading._splitter.CellSplitter`. The seed is that of the model if ``None``.
        """
        kwargs["seed"] = getattr(self, "seed_", None) if seed is None else seed
        return self._data_splitter_cls(self.adata_manager, sampling, **kwargs | dict(datasplitter_kwargs or {}))

    def _fit(
        self,
        max_epochs: int,
        splitter: CellSplitter | None = None,
        *,
        plan_kwargs: Mapping[str, Any] | None = None,
        monitor: str = "validation_loss",
        anneal_end: int = 0,
        restore_best: bool = False,
        early_stopping: bool | None = False,
        early_stopping_patience: int = 45,
        check_every: int = 1,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        callbacks: Sequence[pl.Callback] = (),
        **trainer_kwargs: Any,
    ) -> None:
        """Train the module on a splitter, or on batches of single cells if it is ``None``.

        The lowest value of the metric ``monitor`` of validation cells is best, epochs before ``anneal_end`` left out.
        With ``restore_best``, training returns to the weights of the best epoch. It stops when the metric has not
        fallen for ``early_stopping_patience`` epochs; if ``early_stopping`` is ``None``, where there are validation
        cells. A ValueError says if it is ``True`` without any, or if a callback should load what it saved.
        ``check_every`` is the number of epochs from one validation to the next. Further arguments are those of
        :class:`scvi.train.Trainer`.
        """
        check_callbacks(callbacks)
        splitter = self._split() if splitter is None else splitter
        has_validation = splitter.val_sampler is not None
        early_stopping = has_validation if early_stopping is None else early_stopping
        if early_stopping and not has_validation:
            msg = "Early stopping needs validation cells: set `validation_size` above 0."
            raise ValueError(msg)
        if restore_best and has_validation:
            callbacks = [*callbacks, BestWeights(monitor, start_epoch=anneal_end)]
        defaults: dict[str, Any] = {
            "check_val_every_n_epoch": check_every if has_validation else None,
            "log_every_n_steps": splitter.n_batches,
            "early_stopping": early_stopping,
        }
        if early_stopping:
            defaults |= {
                "early_stopping_monitor": monitor,
                "early_stopping_patience": early_stopping_patience,
                "early_stopping_warmup_epochs": anneal_end,
            }
        runner = self._train_runner_cls(
            self,
            training_plan=self._training_plan_cls(self.module, **plan_kwargs or {}),
            data_splitter=splitter,
            max_epochs=max_epochs,
            accelerator=accelerator,
            devices=devices,
            callbacks=list(callbacks),
            **defaults | trainer_kwargs,
        )
        # A model that was trained before is in the mode for predictions.
        self.module.train()
        with seeded(splitter.seed):
            runner()
        self._check_weights()
        if splitter.has_conditions:
            self.trained_conditions_ = splitter.trained_conditions

    def _check_weights(self) -> None:
        """Refuse a network whose training diverged: it would predict NaN without a word."""
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.module.parameters()):
            self.is_trained_ = False
            msg = (
                "The training diverged: weights of the network are not finite. Look for extreme values, or lower `lr`."
            )
            raise FloatingPointError(msg)
