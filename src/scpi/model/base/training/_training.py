"""The training loop of networks, and training with the settings of a preset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch
from scvi.train import Trainer, TrainRunner

from scpi._docs import fill
from scpi._interrupt import interruptible, is_interrupted, stop_on_interrupt
from scpi._quiet import calm_lightning
from scpi._unknown import keywords, refuse_unknown
from scpi.model.base.loading._sampling import single_cells
from scpi.model.base.loading._splitter import CellSplitter
from scpi.model.base.saving._pickled import check_callbacks
from scpi.model.base.training._best import BestWeights
from scpi.model.base.training._fused import FusedTrainingPlan
from scpi.model.base.training._presets import at_least
from scpi.model.base.training._seed import seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scpi.model.base._model_base import ModelBase as Host
    from scpi.model.base.loading._given_batches import GivenBatches
    from scpi.model.base.loading._sampling import Sampling
else:
    Host = object


class NetworkTrainingMixin(Host):
    """Training by gradients.

    ``self._fit(max_epochs)`` trains a module whose ``loss`` returns a :class:`~scvi.module.base.LossOutput`. For
    another training loop, set ``_training_plan_cls``; for other batches, call ``_split``.
    """

    _data_splitter_cls = CellSplitter
    _train_runner_cls = TrainRunner
    _training_plan_cls: type[pl.LightningModule] = FusedTrainingPlan

    trained_conditions_: list[str]
    trained_contexts_: dict[str, list[str]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "train" in vars(cls):
            cls.train = interruptible(cls.train)

    def _split(
        self,
        sampling: Sampling = single_cells,
        *,
        seed: int | None = None,
        datasplitter_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> CellSplitter:
        """Split the cells, and choose how batches are sampled from them.

        ``sampling`` is a function of :mod:`~scpi.model.base.loading._sampling`, with its options.
        ``datasplitter_kwargs`` come from the user and override ``kwargs``; both are arguments of
        :class:`~scpi.model.base.loading._splitter.CellSplitter`. The seed is that of the model if ``None``.
        """
        kwargs["seed"] = getattr(self, "seed_", None) if seed is None else seed
        return self._data_splitter_cls(self.adata_manager, sampling, **kwargs | dict(datasplitter_kwargs or {}))

    def _fit(
        self,
        max_epochs: int,
        splitter: CellSplitter | GivenBatches | None = None,
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

        The best epoch has the lowest value of the metric ``monitor`` on validation cells; epochs before ``anneal_end``
        do not count. With ``restore_best``, the weights of the best epoch are restored. With ``early_stopping``,
        training stops when the metric has not fallen for ``early_stopping_patience`` epochs; ``None`` means ``True`` if
        there are validation cells. It is a ValueError if ``early_stopping`` is ``True`` without validation cells, or if
        a callback is to load its own checkpoint. ``check_every`` is the number of epochs between validations. Further
        arguments are those of :class:`scvi.train.Trainer`.
        """
        check_callbacks(callbacks)
        refuse_unknown(
            trainer_kwargs, training_keywords(type(self).train), owner=f"{type(self).__name__}.train", kind="argument"
        )
        splitter = self._split() if splitter is None else splitter
        has_validation = splitter.has_validation
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
        plan = self._training_plan_cls(self.module, **plan_kwargs or {})
        options = defaults | trainer_kwargs
        with calm_lightning():
            runner = self._train_runner_cls(
                self,
                training_plan=plan,
                data_splitter=splitter,
                max_epochs=max_epochs,
                accelerator=accelerator,
                devices=devices,
                callbacks=list(callbacks),
                **options,
            )
            if is_interrupted():
                return
            stop_on_interrupt(runner.trainer)
            # A model that was trained before is in evaluation mode
            self.module.train()
            with seeded(splitter.seed):
                runner()
        self._check_weights()
        if isinstance(splitter, CellSplitter) and splitter.has_conditions:
            self.trained_conditions_ = splitter.trained_conditions
            self.trained_contexts_ = splitter.trained_contexts

    def _check_weights(self) -> None:
        """Reject a network whose training diverged: it would silently predict NaN."""
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.module.parameters()):
            self.is_trained_ = False
            msg = (
                "The training diverged: weights of the network are not finite. Look for extreme values, or lower `lr`."
            )
            raise FloatingPointError(msg)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Settings of one training run: those of the user, otherwise those of the preset.

    ``split`` splits the cells and samples batches, ``fit`` trains on its result, and ``epochs`` gives the number of
    epochs from the number of batches per epoch.
    """

    lr: float
    batch_size: int
    restore_best: bool
    early_stopping: bool | None
    patience: int
    plan_kwargs: dict[str, Any]
    epochs: Callable[[int], int]
    split: Callable[[Sampling], CellSplitter]
    fit: Callable[..., None]


class PresetTrainingMixin(NetworkTrainingMixin):
    """Training of models whose preset is a :class:`~scpi.model.base.training._presets.TrainingPreset`.

    Subclasses implement ``_train_on(schedule)``.
    """

    preset_: Any
    _least_batch = 2

    def _train_on(self, schedule: Schedule) -> None:
        raise NotImplementedError

    def _epochs(self, n_batches: int) -> int:
        """Number of epochs of the preset."""
        return int(self.preset_.max_epochs)

    @fill
    def train(
        self,
        max_epochs: int | None = None,
        *,
        lr: float | None = None,
        batch_size: int | None = None,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        train_size: float | None = None,
        validation_size: float | None = None,
        held_out: str | Sequence[str] = (),
        restore_best: bool | None = None,
        early_stopping: bool | None = None,
        early_stopping_patience: int | None = None,
        datasplitter_kwargs: dict[str, Any] | None = None,
        plan_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        **trainer_kwargs: Any,
    ) -> None:
        """Train the model. Arguments that are ``None`` have the values of the preset (``preset_``).

        Parameters
        ----------
        max_epochs
            Maximum number of epochs.
        lr
            Learning rate. The learning rates of further networks, such as a discriminator, change in proportion.
        batch_size
            Maximum number of cells, or of pairs of cells, in a batch.
        %(split_devices)s
        %(restore_best)s
        %(early_stopping)s
        %(early_stopping_patience)s
        %(train_datasplitter_kwargs)s

        Raises
        ------
        ValueError
            If a held-out condition has no cells, the fractions leave nothing to train on, no context has both control
            and treated cells for a model that matches them, or ``max_epochs`` is below 1.
        """
        preset = self.preset_
        if max_epochs is not None:
            at_least(max_epochs, 1, "max_epochs")
        split = partial(
            self._split,
            train_size=preset.train_size if train_size is None else train_size,
            validation_size=validation_size,
            held_out=held_out,
            seed=seed,
            datasplitter_kwargs=datasplitter_kwargs,
        )
        schedule = Schedule(
            lr=preset.lr if lr is None else lr,
            batch_size=preset.batch_size
            if batch_size is None
            else at_least(batch_size, self._least_batch, "batch_size"),
            restore_best=preset.restore_best if restore_best is None else restore_best,
            early_stopping=preset.early_stopping if early_stopping is None else early_stopping,
            patience=preset.patience if early_stopping_patience is None else early_stopping_patience,
            plan_kwargs=plan_kwargs or {},
            epochs=lambda n_batches: self._epochs(n_batches) if max_epochs is None else max_epochs,
            split=split,
            fit=partial(self._fit, accelerator=accelerator, devices=devices, **trainer_kwargs),
        )
        self._train_on(schedule)


def training_keywords(*functions: Callable[..., Any]) -> set[str]:
    """Names of the arguments of these functions, and of the trainer that gets what they do not take."""
    return keywords(*functions, Trainer.__init__, pl.Trainer.__init__)


def check_ignored(model: Any, given: Mapping[str, Any]) -> None:
    """Refuse what no training of a network takes: a model without gradients ignores the rest, but no misspelt argument.

    Raises
    ------
    TypeError
        If an argument is none of those of the trainings of networks.
    """
    known = training_keywords(type(model).train, PresetTrainingMixin.train)
    refuse_unknown(given, known, owner=f"{type(model).__name__}.train", kind="argument")
