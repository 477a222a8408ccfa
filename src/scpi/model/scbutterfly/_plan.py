"""The three phases of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scpi.model.base._constants import KEYS
from scpi.model.base.training._best import Best
from scpi.model.base.training._fused import fused
from scpi.model.base.training._plan import NetworkPlan, Phases
from scpi.model.scbutterfly._losses import adversarial, soft_labels
from scpi.model.scbutterfly._module import SIDES

if TYPE_CHECKING:
    from torch import Tensor

    from scpi.model.scbutterfly._module import SCButterflyModule

_JOINT = "joint"


class SCButterflyPlan(NetworkPlan):
    """Trains the autoencoder of each domain, one after the other, then both with the translator and the discriminators.

    The phase of each domain has ``n_own_epochs``, the joint phase ``n_epochs``. A phase ends after its epochs, or where
    the squared error of the validation pairs has not fallen for ``patience`` epochs, unless that is ``None``. With
    ``restore_best`` training goes on with the weights of the best epoch of a phase, where there are validation pairs.
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
        super().__init__(module)
        self.lr = self.preset.lr if lr is None else lr
        self.patience, self.restore_best = patience, restore_best
        self._phases = Phases(dict.fromkeys(SIDES, n_own_epochs) | {_JOINT: n_epochs})
        self._best = Best(epoch=0)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Optimisers of the networks and of the discriminators."""
        # One optimiser for all phases: it leaves alone what the loss of a phase does not depend on.
        return [
            fused(torch.optim.Adam, self.module.networks(), lr=self.lr),
            fused(torch.optim.SGD, self.module.discriminators.parameters(), lr=self.preset.discriminator_lr),
        ]

    @property
    def phase(self) -> str:
        """Phase of the epoch: a domain, or "joint"."""
        return self._phases.name

    @property
    def kl_weight(self) -> float:
        """Weight of the divergence in the epoch."""
        weight = self.preset.kl_weight / self.module.n_genes
        if self.phase == _JOINT:
            weight *= 2.0
        done = self.current_epoch - self._phases.began
        return weight * min(1.0, done / self.preset.kl_warmup) if self.preset.kl_warmup else weight

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step of the phase."""
        networks, discriminators = self._optimizers()
        if self.phase == _JOINT:
            losses = self._joint_losses(batch, discriminators)
        else:
            losses = self.module.own_losses(batch, self.phase)
            losses["objective"] = losses["reconstruction"] + self.kl_weight * losses["kl"]
        self._descend(losses["objective"], [networks])
        self._metrics.add(losses)

    def _joint_losses(self, batch: dict[str, Tensor], optimizer: Any) -> dict[str, Tensor]:
        """Improve the discriminators on the embeddings of a batch, then take the losses of the networks."""
        outcome = self.module.joint(batch)
        encoded, translated = (
            {side: h.detach() for side, h in part.items()} for part in (outcome.encoded, outcome.translated)
        )
        loss = self.module.discriminator_loss(encoded, translated, self._labels(batch))
        self._descend(loss, [optimizer])
        # Other labels for the networks, so that they do not learn to fool the discriminators on these
        fooled = self.module.discriminator_loss(outcome.encoded, outcome.translated, self._labels(batch))
        gain = adversarial(fooled, limit=self.preset.adversarial_limit)
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
        if self.phase == _JOINT:
            loss = self.module.joint(batch).reconstruction
        else:
            loss = self.module.own_losses(batch, self.phase)["reconstruction"]
        self._log_validation(loss, len(batch[KEYS.X]), prog_bar=True)

    def _metric(self, loss: str, cells: str) -> str:
        return super()._metric(loss if self.phase == _JOINT else f"{self.phase}_{loss}", cells)

    def on_train_epoch_end(self) -> None:
        """Log the epoch, and continue with the next phase, or stop, where it is due."""
        super().on_train_epoch_end()
        epoch, stalled = self.current_epoch, False
        error = self.trainer.callback_metrics.get(self._metric("reconstruction", "validation"))
        if error is not None:
            self._best.update(float(error), epoch, self.module if self.restore_best else None)
            stalled = self.patience is not None and epoch - self._best.epoch >= self.patience
        if stalled or self._phases.is_over(epoch):
            self._best.restore(self.module)
            self._best = Best(epoch=epoch + 1)
            if not self._phases.advance(epoch):
                self.trainer.should_stop = True
