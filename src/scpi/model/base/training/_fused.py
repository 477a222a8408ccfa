"""Optimisers that go over all weights once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scvi.train import TrainingPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch
    from torch import nn


def fused(
    optimizer_cls: Callable[..., torch.optim.Optimizer],
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
    **settings: Any,
) -> torch.optim.Optimizer:
    """An optimiser, such as :class:`torch.optim.Adam`, in its fused form where the device has one.

    It reads and writes each weight and its moments once per step, not once per operation: with small batches, the plain
    form takes a third of a step or more. ``parameters`` are weights or groups of them, ``settings`` such as the
    learning rate.
    """
    # A generator would be at its end the second time
    kept: list[Any] = list(parameters)
    try:
        return optimizer_cls(kept, **settings | {"fused": True})
    except RuntimeError:
        return optimizer_cls(kept, **settings | {"fused": False})


class FusedTrainingPlan(TrainingPlan):
    """Training plan of scvi-tools with a fused optimiser, which is the default of its newer versions."""

    def configure_optimizers(self) -> dict[str, Any]:
        """Optimiser and, if wanted, the schedule of its learning rate."""
        # Lightning clips no gradients of a fused optimiser in mixed precision.
        self.fused_optimizer = getattr(self, "fused_optimizer", True) and "mixed" not in str(self.trainer.precision)
        found: dict[str, Any] = super().configure_optimizers()
        return found

    def _optimizer_creator_fn(self, optimizer_cls: type[torch.optim.Optimizer]) -> Any:
        return super()._optimizer_creator_fn(partial(fused, optimizer_cls) if self.fused_optimizer else optimizer_cls)
