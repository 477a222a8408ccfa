"""The module of the models of conditions, which holds the training conditions and has no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.base.prediction._profile_buffers import ArrayBuffers
from scpi.model.base.training._plan_module import PlanModule

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class ConditionsModule(ArrayBuffers, PlanModule):
    """Holds the training conditions: values (rows x genes), and the codes of their contexts and perturbations."""

    def __init__(self) -> None:
        super().__init__(("values", "context", "perturbation"))

    @property
    def device(self) -> torch.device:
        """Device of the conditions; scvi-tools reads it from the parameters, but there are none."""
        return self.get_buffer("values").device

    def encode(self, x: Tensor) -> Tensor:
        """The conditions themselves."""
        return x
