"""Schedules, learning rate and ordering of the factors during training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scpi.model.base.losses._schedules import half_cosine, ramp
from scpi.model.base.training._fused import FusedTrainingPlan
from scpi.model.senavae._initial import order_factors

if TYPE_CHECKING:
    from torch import Tensor

    from scpi.model.senavae._module import SENAVAEModule
    from scpi.model.senavae._presets import Preset

_FINAL_LR = 0.01
_WARMUP_STEPS = 0.02


class SENAVAETrainingPlan(FusedTrainingPlan):
    """Training plan with the rises of the three weights, over ``n_epochs``.

    At the start of each of ``ordering_epochs`` the factors are put into causal order, which is found from
    ``ordering_cells``: transformed expression of control cells, and their batch. ``eps`` and ``weight_decay`` are those
    of Adam, with the values that the publications use.
    """

    def __init__(
        self,
        module: SENAVAEModule,
        *,
        preset: Preset,
        n_epochs: int,
        ordering_cells: tuple[Tensor, Tensor | None] | None = None,
        ordering_epochs: tuple[int, ...] = (),
        lr: float | None = None,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(module, lr=preset.lr if lr is None else lr, eps=eps, weight_decay=weight_decay, **kwargs)
        self.preset = preset
        self.n_epochs = n_epochs
        self.ordering_cells = ordering_cells
        self.ordering_epochs = ordering_epochs

    def on_train_epoch_start(self) -> None:
        """Set the weights of the epoch and, where it is due, the causal order."""
        preset, epoch = self.preset, self.current_epoch
        for buffer, start, low, high in (
            (self.module.mmd_weight, preset.mmd_start, 0.0, preset.max_mmd),
            (self.module.kl_weight, preset.kl_start, 0.0, preset.max_kl),
            (self.module.intervention.temperature, preset.temperature_start, 1.0, preset.max_temperature),
        ):
            buffer.fill_(ramp(epoch, n_epochs=self.n_epochs, start_epoch=start, low=low, high=high))
        if epoch in self.ordering_epochs and self.ordering_cells is not None:
            cells, batch = self.ordering_cells
            order_factors(self.module, cells.to(self.device), None if batch is None else batch.to(self.device))
            # Moments of the gradient in the old coordinates say nothing in the new ones.
            self.optimizers().optimizer.state.clear()

    def configure_optimizers(self) -> dict[str, Any]:
        """Adam, with a half-cosine decay of the learning rate where the preset says so."""
        config = super().configure_optimizers()
        if self.preset.cosine_decay and "lr_scheduler" not in config:
            scheduler = torch.optim.lr_scheduler.LambdaLR(config["optimizer"], self._lr_factor)
            config["lr_scheduler"] = {"scheduler": scheduler, "interval": "step"}
        return config

    def _lr_factor(self, step: int) -> float:
        """Factor of the learning rate: a short linear rise, then a half cosine to 1 %."""
        done = step / max(1, self.trainer.estimated_stepping_batches)
        return min(1.0, (done + 1e-3) / _WARMUP_STEPS) * half_cosine(done, final=_FINAL_LR)
