"""The three phases of training."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Literal

import lightning.pytorch as pl
import torch

from scpi.model.base._constants import KEYS
from scpi.model.base.training._epoch_metrics import EpochMetrics
from scpi.model.base.training._fused import fused
from scpi.model.scbutterfly._losses import adversarial, soft_labels

if TYPE_CHECKING:
    from lightning.pytorch.core.optimizer import LightningOptimizer
    from torch import Tensor

    from scpi.model.scbutterfly._module import SCButterflyModule

Phase = Literal["control", "treated", "joint"]
PHASES: tuple[Phase, Phase, Phase] = ("control", "treated", "joint")


class SCButterflyPlan(pl.LightningModule):
    """Trains the autoencoder of each arm, one after the other, then both with the translator and the discriminators.

    A phase ends after its epochs, or where the squared error of the validation pairs has not fallen for long, and goes on
    with the weights of its best epoch.

    Parameters
    ----------
    module
        Network to train.
    n_epochs
        Epochs of the joint phase.
    n_own_epochs
        Epochs of the phase of each arm.
    lr
        Learning rate of the networks; that of the preset if ``None``.
    patience
        Epochs without a gain after which a phase ends; never if ``None``.
    restore_best
        Go on with the weights of the best epoch of a phase, where there are validation pairs.
    """

    def __init__(
        self,
        module: SCButterflyModule,
        *,
        n_epochs: int,
        n_own_epochs: int,
        lr: float | None = None,
        patience: int | None = None,
        restore_best: bool = True,
    ) -> None:
        super().__init__()
        # The discriminators have an optimiser of their own.
        self.automatic_optimization = False
        self.module, self.preset = module, module.preset
        self.lr = self.preset.lr if lr is None else lr
        self.patience, self.restore_best = patience, restore_best
        self._left = [
            (phase, n) for phase, n in zip(PHASES, (n_own_epochs, n_own_epochs, n_epochs), strict=True) if n > 0
        ]
        self._phase, self._n_epochs = self._left.pop(0)
        self._began = 0
        self._means = EpochMetrics()
        self._best, self._best_epoch = math.inf, 0
        self._state: dict[str, Tensor] | None = None

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Optimisers of the networks and of the discriminators."""
        # One optimiser for all phases: it leaves alone what the loss of a phase does not depend on.
        return [
            fused(torch.optim.Adam, self.module.networks(), lr=self.lr),
            fused(torch.optim.SGD, self.module.discriminators.parameters(), lr=self.preset.discriminator_lr),
        ]

    def on_train_start(self) -> None:
        """Begin an untrained network where the data says."""
        if self.preset.data_init and not self.module.trained.any():
            means = self.trainer.datamodule.mean_expression()  # type: ignore[attr-defined]
            self.module.start_from({side: torch.from_numpy(mean) for side, mean in means.items()})

    @property
    def kl_weight(self) -> float:
        """Weight of the divergence in the epoch."""
        weight = self.preset.kl_weight / self.module.n_genes
        if self._phase == "joint":
            weight *= 2.0
        done = self.current_epoch - self._began
        return weight * min(1.0, done / self.preset.kl_warmup) if self.preset.kl_warmup else weight

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step of the phase."""
        networks, discriminators = self._optimizers()
        if self._phase == "joint":
            losses = self._joint_losses(batch, discriminators)
        else:
            losses = self.module.own_losses(batch, self._phase)
            losses["objective"] = losses["reconstruction"] + self.kl_weight * losses["kl"]
        networks.zero_grad()
        self.manual_backward(losses["objective"])
        networks.step()
        self._means.add(losses)

    def _optimizers(self) -> tuple[LightningOptimizer, LightningOptimizer]:
        """Optimisers of the networks and of the discriminators."""
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        return optimizers[0], optimizers[1]

    def _joint_losses(self, batch: dict[str, Tensor], optimizer: LightningOptimizer) -> dict[str, Tensor]:
        """Improve the discriminators on the embeddings of a batch, then take the losses of the networks."""
        outcome = self.module.joint(batch)
        encoded, translated = (
            {side: h.detach() for side, h in part.items()} for part in (outcome.encoded, outcome.translated)
        )
        loss = self.module.discriminator_loss(encoded, translated, self._labels(batch))
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        # Other labels for the networks, that they do not learn to mislead on these
        misled = self.module.discriminator_loss(outcome.encoded, outcome.translated, self._labels(batch))
        gain = adversarial(misled, limit=self.preset.adversarial_limit)
        objective = outcome.reconstruction + self.kl_weight * outcome.kl + self.preset.adversarial_weight * gain
        return {
            "reconstruction": outcome.reconstruction,
            "kl": outcome.kl,
            "discriminator": loss,
            "objective": objective,
        }

    def _labels(self, batch: dict[str, Tensor]) -> Tensor:
        """Labels of a batch, drawn anew."""
        return soft_labels(torch.rand_like(batch[KEYS.X][:, 0]))

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Squared error of pairs that are not trained on."""
        if self._phase == "joint":
            loss = self.module.joint(batch).reconstruction
        else:
            loss = self.module.own_losses(batch, self._phase)["reconstruction"]
        self.log(self._monitor, loss, on_epoch=True, prog_bar=True, batch_size=len(batch[KEYS.X]))

    @property
    def _monitor(self) -> str:
        """Name of the validation error of the phase."""
        return self._named("reconstruction", "validation")

    def _named(self, name: str, what: str) -> str:
        return f"{name}_{what}" if self._phase == "joint" else f"{self._phase}_{name}_{what}"

    def on_train_epoch_end(self) -> None:
        """Log the epoch, and go on to the next phase, or stop, where it is due."""
        self.log_dict({self._named(name, "train"): value for name, value in self._means.take().items()})
        error = self.trainer.callback_metrics.get(self._monitor)
        if error is not None and float(error) < self._best:
            self._best, self._best_epoch = float(error), self.current_epoch
            if self.restore_best:
                self._state = copy.deepcopy(self.module.state_dict())
        over = self.current_epoch + 1 - self._began >= self._n_epochs
        waited = error is not None and self.patience is not None
        if over or (waited and self.current_epoch - self._best_epoch >= (self.patience or 0)):
            self._end_phase()

    def _end_phase(self) -> None:
        """Return to the best weights of the phase; begin the next one, or stop after the last."""
        if self._state is not None:
            self.module.load_state_dict(self._state)
        if not self._left:
            self.trainer.should_stop = True
            return
        self._phase, self._n_epochs = self._left.pop(0)
        self._began = self.current_epoch + 1
        self._best, self._best_epoch, self._state = math.inf, self._began, None
