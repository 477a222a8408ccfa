"""How discriminators and generators are trained in turn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import torch

from scpi.model.base._constants import KEYS
from scpi.model.base.training._epoch_metrics import EpochMetrics
from scpi.model.base.training._fused import fused

if TYPE_CHECKING:
    from torch import Tensor

    from scpi.model.scpregan._module import Arm, SCPREGANModule

_BETAS = 0.5, 0.9
_DECAY_STEPS, _DECAY = 10_000, 0.9
_FINAL_LR = 0.01


class SCPREGANPlan(pl.LightningModule):
    """A step of the discriminators, then one of the generators and of the encoder, on other cells.

    Parameters
    ----------
    module
        Networks to train.
    n_steps
        Number of steps, over which the learning rates fall.
    lr
        Learning rate of the generators, with which the others change in proportion; those of the preset if ``None``.
    """

    def __init__(self, module: SCPREGANModule, *, n_steps: int, lr: float | None = None) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.module, self.n_steps = module, n_steps
        self._scale = 1.0 if lr is None else lr / module.preset.lr
        self._means = EpochMetrics()

    def configure_optimizers(self) -> Any:
        """Adam for discriminators, generators and encoder, and how the learning rates fall."""
        module, preset = self.module, self.module.preset
        optimizers = [
            fused(torch.optim.Adam, network.parameters(), lr=self._scale * lr, betas=betas)
            for network, lr, betas in (
                (module.discriminators, preset.discriminator_lr, _BETAS),
                (module.generators, preset.lr, _BETAS),
                (module.encoder, preset.encoder_lr, (0.9, 0.999)),
            )
        ]
        return optimizers, [torch.optim.lr_scheduler.LambdaLR(optimizer, self._share) for optimizer in optimizers]

    def _share(self, step: int) -> float:
        """Share of the learning rate."""
        if self.module.preset.decay == "step":
            return _DECAY ** (step // _DECAY_STEPS)
        done = min(1.0, step / max(1, self.n_steps))
        return _FINAL_LR + (1 - _FINAL_LR) * 0.5 * (1 + math.cos(math.pi * done))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Both halves of a step."""
        module = self.module
        first_control, first_treated, second_control, second_treated = self._arms(batch)
        optimizers: Any = self.optimizers()
        of_discriminators, *of_others = optimizers

        module.discriminators.requires_grad_(True)
        judged = module.discriminator_losses(first_control, first_treated)
        self._descend(judged["discriminator"] + judged["discriminator_context"], [of_discriminators])

        # The discriminators stay, and need no gradients of their own
        module.discriminators.requires_grad_(False)
        losses = module.generator_losses(second_control, second_treated)
        objective = module.generator_objective(losses)
        self._descend(objective, of_others)
        module.discriminators.requires_grad_(True)

        schedulers: Any = self.lr_schedulers()
        for scheduler in schedulers:
            scheduler.step()
        self._means.add({"objective": objective, **losses, **judged})

    def _descend(self, objective: Tensor, optimizers: list[Any]) -> None:
        """One step of some optimisers."""
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(objective)
        for optimizer in optimizers:
            optimizer.step()

    def _arms(self, batch: dict[str, Tensor]) -> list[Arm]:
        """Parts of a training batch: both arms of either half."""
        context = batch.get(KEYS.CONTEXT)
        contexts: Any = [None] * 4 if context is None else context.squeeze(1).chunk(4)
        parts = zip(batch[KEYS.X].chunk(4), batch[KEYS.DESIGN].chunk(4), contexts, strict=True)
        return [self.module.arm(*part) for part in parts]

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Reconstruction of cells that are not trained on."""
        _, _, output = self.module(batch)
        self.log("reconstruction_validation", output.loss, on_epoch=True, batch_size=len(batch[KEYS.X]))

    def on_train_epoch_end(self) -> None:
        """Log the epoch."""
        self.log_dict({f"{name}_train": value for name, value in self._means.take().items()})
