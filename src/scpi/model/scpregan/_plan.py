"""Alternating training of discriminators and generators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import mse_loss

from scpi.model.base._constants import KEYS
from scpi.model.base.losses._schedules import half_cosine
from scpi.model.base.training._fused import fused
from scpi.model.base.training._plan import NetworkPlan
from scpi.model.scpregan._module import Domain

if TYPE_CHECKING:
    from torch import Tensor

    from scpi.model.scpregan._module import SCPREGANModule

_BETAS = 0.5, 0.9
_DECAY_STEPS, _DECAY = 10_000, 0.9
_FINAL_LR = 0.01


class SCPREGANPlan(NetworkPlan):
    """A step of the discriminators, then one of the generators and of the encoder, on other cells.

    The learning rates fall over ``n_steps``. That of the generators is ``lr``, with which the others change in
    proportion.
    """

    def __init__(self, module: SCPREGANModule, *, n_steps: int, lr: float | None = None) -> None:
        super().__init__(module)
        self.n_steps = n_steps
        self._scale = 1.0 if lr is None else lr / module.preset.lr

    def configure_optimizers(self) -> Any:
        """Adam for discriminators, generators and encoder, and how the learning rates fall."""
        module, preset = self.module, self.preset
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
        """Factor of the learning rate."""
        if self.preset.decay == "step":
            return _DECAY ** (step // _DECAY_STEPS)
        return half_cosine(step / max(1, self.n_steps), final=_FINAL_LR)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Both halves of a step."""
        module = self.module
        first_control, first_treated, second_control, second_treated = self._domains(batch)
        of_discriminators, *of_others = self._optimizers()

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
        self._metrics.add({"objective": objective, **losses, **judged})

    def _domains(self, batch: dict[str, Tensor]) -> list[Domain]:
        """Parts of a training batch: both domains of either half."""
        context = batch.get(KEYS.CONTEXT)
        contexts: Any = [None] * 4 if context is None else context.squeeze(1).chunk(4)
        doses = self.module.scaled(batch[KEYS.DESIGN]).chunk(4)
        return [Domain(*part) for part in zip(batch[KEYS.X].chunk(4), doses, contexts, strict=True)]

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Reconstruction of cells that are not trained on."""
        x, dose = batch[KEYS.X], self.module.scaled(batch[KEYS.DESIGN])
        self._log_validation(mse_loss(self.module.generators(self.module.encode(x), dose), x), len(x))
