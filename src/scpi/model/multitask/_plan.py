"""The phases of training the multi-task autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional as F

from scpi.model.base._constants import KEYS
from scpi.model.base.training._fused import fused
from scpi.model.base.training._plan import NetworkPlan, Phases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from scpi.model.multitask._module import MultiTaskModule

Phase = Literal["reconstruct", "discriminate", "adversarial"]

# Labels of the discriminator, drawn anew for each cell in every step between these
_REAL, _OTHER = (0.9, 1.0), (0.0, 0.1)


class MultiTaskPlan(NetworkPlan):
    """Learns to reconstruct; with an adversary, trains that alone next, and then both against each other.

    ``phases`` are their numbers of epochs, in their order.
    """

    def __init__(self, module: MultiTaskModule, *, phases: Mapping[Phase, int], lr: float) -> None:
        super().__init__(module)
        self.lr, self._phases, self._steps = lr, Phases(phases), 0

    @property
    def phase(self) -> Phase:
        """Phase of the epoch."""
        return self._phases.name

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Optimisers of the autoencoder and, if there is one, of the discriminator."""
        networks: list[list[nn.Parameter]] = [
            [p for name, p in self.module.named_parameters() if not name.startswith("discriminator")]
        ]
        if self.module.discriminator is not None:
            networks.append(list(self.module.discriminator.parameters()))
        settings = {"lr": self.lr, "weight_decay": self.preset.weight_decay}
        return [fused(torch.optim.Adam, own, **settings) for own in networks]

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step of the phase."""
        self._steps += 1
        self._warm_up()
        logged: dict[str, Tensor] = {}
        is_control = ~batch[KEYS.DESIGN].any(1)
        if self.phase != "discriminate":
            losses, z = self._losses(batch)
            objective = losses["reconstruction"] + self._divergence_weight * losses.get("divergence", 0.0)
            logged |= losses
            if self.phase == "adversarial":
                weight = self.preset.adversary_weight
                logged["adversarial"] = self._adversarial(z, is_control)
                objective = (1.0 - weight) * objective + weight * logged["adversarial"]
            self._step(0, objective)
            logged["objective"] = objective
        if self.phase != "reconstruct":
            with torch.no_grad():
                z = self.module.encode(self._read(batch))
            logged["discriminator"] = self._discrimination(z, is_control)
            self._step(1, logged["discriminator"])
        self._metrics.add(logged)

    def _losses(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        code = self.module.codes[batch[KEYS.CONDITION]]
        size_factor = batch.get(KEYS.PERTURBED_SIZE_FACTOR)
        return self.module.losses(self._read(batch), batch[KEYS.PERTURBED], code, size_factor)

    def _read(self, batch: dict[str, Tensor]) -> Tensor:
        return self.module.read(batch[KEYS.X], batch.get(KEYS.SIZE_FACTOR))

    @property
    def _divergence_weight(self) -> float:
        if self.preset.divergence == "gene":
            return self.preset.beta / self.module.output.out_features
        return self.preset.beta / max(int(self.trainer.num_training_batches), 1)

    def _warm_up(self) -> None:
        factor = min(1.0, self._steps / max(self.preset.warmup_steps, 1))
        for optimizer in self._optimizers():
            for group in optimizer.param_groups:
                group["lr"] = self.lr * factor

    def _step(self, which: int, loss: Tensor) -> None:
        optimizer = self._optimizers()[which]
        self.toggle_optimizer(optimizer)
        self._descend(loss, [optimizer])
        self.untoggle_optimizer(optimizer)

    def _adversarial(self, z: Tensor, is_control: Tensor) -> Tensor:
        """Adversarial loss: low if treated cells count as controls, or all cells as draws from the prior."""
        assert self.module.discriminator is not None
        logits = self.module.discriminator(z if self.preset.adversary == "prior" else z[~is_control]).squeeze(1)
        if not len(logits):
            return z.sum() * 0.0
        wanted = torch.ones_like(logits) if self.preset.adversary == "prior" else _uniform(logits, _REAL)
        return F.binary_cross_entropy_with_logits(logits, wanted)

    def _discrimination(self, z: Tensor, is_control: Tensor) -> Tensor:
        """Error of the discriminator; of conditions, controls and treated cells have the same weight."""
        assert self.module.discriminator is not None
        if self.preset.adversary == "prior":
            prior, own = (self.module.discriminator(side).squeeze(1) for side in (torch.randn_like(z), z))
            losses = [
                F.binary_cross_entropy_with_logits(prior, torch.ones_like(prior)),
                F.binary_cross_entropy_with_logits(own, torch.zeros_like(own)),
            ]
            return torch.stack(losses).mean()
        parts = []
        for own, between in ((is_control, _REAL), (~is_control, _OTHER)):
            if own.any():
                logit = self.module.discriminator(z[own]).squeeze(1)
                parts.append(F.binary_cross_entropy_with_logits(logit, _uniform(logit, between)))
        return torch.stack(parts).mean()

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Reconstruction of cells that are not trained on."""
        losses, _ = self._losses(batch)
        self._log_validation(losses["reconstruction"], len(batch[KEYS.X]))

    def on_train_epoch_end(self) -> None:
        """Log the epoch, and begin the next phase if it is due; the learning rate rises anew in each."""
        super().on_train_epoch_end()
        if self._phases.is_over(self.current_epoch) and self._phases.advance(self.current_epoch):
            self._steps = 0


def _uniform(like: Tensor, between: tuple[float, float]) -> Tensor:
    low, high = between
    return low + (high - low) * torch.rand_like(like)
